"""Stored runs into the tools that people already use; nothing of the runs is changed."""
