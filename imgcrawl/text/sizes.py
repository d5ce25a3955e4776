"""Numbers of bytes: read from a header, a listing or a table, and formatted for people."""

from __future__ import annotations

import re

_TYPED = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:([kmgt])(i)?b?|b|bytes)?", re.ASCII)
_SIZE = re.compile("[0-9]{1,18}")  # no other digits, and no number too long for the ledger


def parse_size(text: str) -> int | None:
    """Return the number of bytes, or None if the text is not a size."""
    return int(text) if _SIZE.fullmatch(text) else None


def size_of_text(text: str) -> int | None:
    """Return the bytes that a person means by ``500 MB``, ``1.5TB``, ``8GiB``; None: no size."""
    match = _TYPED.fullmatch(text.strip().lower())
    if match is None:
        return None
    power = "bkmgt".index((match[2] or "b")[0])
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def format_size(n: int) -> str:
    """Return a number of bytes for people: ``1.5 MB``."""
    value = float(n)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.0f} bytes" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"
