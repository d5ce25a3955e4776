"""Pieces of the names of cubes."""

from __future__ import annotations

import hashlib
import re


def file_part(name: str, most: int) -> str:
    """Return a piece of a file's name made of any text; a changed one carries a hash."""
    safe = re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("._")
    if safe == name and len(name) <= most:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{safe[: most - 9]}~{digest}"
