"""Formats that a dataset is exported to, one a file."""
