"""Sums of objects: MD5, by which stores tell them apart, and SHA-256."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_md5(etag: str | None) -> bool:
    """Whether an ETag may be the MD5 of its object: that of a multipart upload has a hyphen."""
    return bool(etag and re.fullmatch(r"[0-9a-f]{32}", etag))


def digests_of(path: Path) -> tuple[str, str]:
    """MD5 and SHA-256 of a file. Blocks."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            md5.update(data)
            sha256.update(data)
    return md5.hexdigest(), sha256.hexdigest()
