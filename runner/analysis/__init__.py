"""Stored runs in, values out: no printing, no files of its own."""
