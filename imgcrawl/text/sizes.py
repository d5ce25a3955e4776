"""A number of bytes as others tell it: a header, a listing, a table."""

from __future__ import annotations

import re

_SIZE = re.compile("[0-9]{1,18}")  # no other digits, and no number too long for the ledger


def parse_size(text: str) -> int | None:
    """The number; None for what is none."""
    return int(text) if _SIZE.fullmatch(text) else None


def format_size(n: int) -> str:
    """Bytes for people: ``1.5 MB``."""
    value = float(n)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.0f} bytes" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"
