"""Descriptions of microscopy files, read from their own headers."""
