"""Matrices in files: whole, by the column and by the row group."""
