"""Readers of any list of pictures: bytes in, rows out, streaming."""
