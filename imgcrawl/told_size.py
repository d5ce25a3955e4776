"""A number of bytes as others tell it: a header, a listing, a table."""

from __future__ import annotations

import re

_SIZE = re.compile("[0-9]{1,18}")  # no other digits, and no number too long for the ledger


def told_size(text: str) -> int | None:
    """The number; None for what is none."""
    return int(text) if _SIZE.fullmatch(text) else None
