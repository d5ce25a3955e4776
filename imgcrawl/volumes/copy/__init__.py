"""Copies of a volume, object by object."""
