"""Digests of a crop: of its voxels, whatever the format, and of its stored files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.storage.digests import digest

if TYPE_CHECKING:
    from imgcrawl.records.volume import Raw

_PIECE = 1 << 20  # bytes


def voxels_sha256(raw: Raw) -> str:
    """Return the SHA-256 of the voxels in the order c, z, y, x, little-endian.

    Blocks; raises OSError.
    """
    found = hashlib.sha256()
    with Path(raw.path).open("rb") as file:
        file.seek(raw.start)
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def result_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder. Blocks; raises OSError.

    Of a folder: that of its list of files, sorted, a line each: SHA-256, two spaces, path,
    as `sha256sum` prints it; the paths relative to the folder, with "/".
    """
    if path.is_file():
        return digest(path)[0]
    files = sorted((file.relative_to(path).as_posix(), file) for file in _files(path))
    lines = hashlib.sha256()
    for name, file in files:
        lines.update(f"{digest(file)[0]}  {name}\n".encode())
    return lines.hexdigest()


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]
