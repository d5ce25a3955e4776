"""Checks of pictures: whether bytes are whole and readable, and of which format."""
