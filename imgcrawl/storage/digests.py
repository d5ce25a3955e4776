"""Digests and sizes of files and folders."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.items import LockedDigests
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from pathlib import Path


SIZE = "size"  # what stands for a digest where a source has none: the length in bytes


def check_digests(source: bytes | Path, expected: dict[str, str]) -> None:
    """Raise RecordMissing (corrupt) unless the bytes are those that the source promised.

    expected: by algorithm of hashlib, in hexadecimal, or ``size`` in bytes; if a lock promises
              them, others are changed
    """
    is_locked = isinstance(expected, LockedDigests)
    outcome, who = (Outcome.CHANGED, "lock") if is_locked else (Outcome.CORRUPT, "source")
    for algorithm, wanted in expected.items():
        found = _size(source) if algorithm == SIZE else digest(source, algorithm)[0]
        if found != wanted.lower():
            words = f"its {algorithm} is {found}, and the {who} says {wanted}"
            raise RecordMissing(outcome, words)


def _size(source: bytes | Path) -> str:
    return str(len(source) if isinstance(source, bytes) else source.stat().st_size)


def digest(source: bytes | Path, algorithm: str = "sha256") -> tuple[str, int]:
    """Return the digest in hexadecimal and the length in bytes; a file is read in pieces."""
    if isinstance(source, bytes):
        found = hashlib.new(algorithm, source, usedforsecurity=False)
        return found.hexdigest(), len(source)
    with source.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
        return found.hexdigest(), file.tell()


def bytes_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder. Raises OSError if neither."""
    found = path.stat()
    return _bytes_below(path) if stat.S_ISDIR(found.st_mode) else found.st_size


def _bytes_below(folder: str | Path) -> int:
    """Return the bytes of all files below a folder, of which there may be a million."""
    size = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                size += _bytes_below(entry.path)
            elif entry.is_file():
                size += entry.stat(follow_symlinks=False).st_size
    return size


def is_md5(etag: str | None) -> bool:
    """Return whether an ETag may be an MD5: that of a multipart upload has a hyphen."""
    return bool(etag and re.fullmatch(r"[0-9a-f]{32}", etag))


def digests_of(path: Path) -> tuple[str, str]:
    """Return the MD5 and SHA-256 of a file in hexadecimal. Blocks."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            md5.update(data)
            sha256.update(data)
    return md5.hexdigest(), sha256.hexdigest()


def sums_line(sha256: str, name: str) -> str:
    r"""Return a line of a file that ``sha256sum --check`` reads.

    A name with a backslash or a line end is escaped, and the line then begins with a backslash
    (GNU coreutils, "md5sum invocation").
    """
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    return f"{mark}{sha256}  {escaped}\n"
