"""Boxes cut out of a volume."""
