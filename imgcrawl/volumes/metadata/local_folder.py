"""Documents of volumes that lie in a folder of this computer."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imgcrawl.microscopy.zarr_documents import MAX_DOCUMENT


def read_document(url: str) -> bytes | None:
    """A document behind a file: URL; None where there is none. Raises OSError."""
    path = _path(url)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(MAX_DOCUMENT + 1)  # a byte too many is seen, and refused


def list_folder(url: str) -> tuple[list[str], list[str]]:
    """The names of the files and of the folders right in a folder, sorted. Raises OSError."""
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(_path(url)) as entries:
        for entry in entries:
            (folders if entry.is_dir() else files).append(entry.name)
    return sorted(files), sorted(folders)


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
