"""Numbers of bytes: read from a header, a listing or a table, and formatted for people."""

from __future__ import annotations

import re

_SIZE = re.compile("[0-9]{1,18}")  # no other digits, and no number too long for the ledger


def parse_size(text: str) -> int | None:
    """Return the number of bytes, or None if the text is not a size."""
    return int(text) if _SIZE.fullmatch(text) else None


def format_size(n: int) -> str:
    """Return a number of bytes for people: ``1.5 MB``."""
    value = float(n)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.0f} bytes" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"
