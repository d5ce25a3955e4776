"""Volumes that lie in a folder of this machine: its path, its documents and its content."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imgcrawl.microscopy.zarr_documents import MAX_DOCUMENT


def folder_of(url: str) -> Path | None:
    """Return the folder of this machine that a file: URL names, or None for any other URL."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def read_document(url: str) -> bytes | None:
    """Return the document behind a file: URL, or None if there is none. Raises OSError."""
    path = folder_of(url)
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(MAX_DOCUMENT + 1)  # a byte too many is seen, and refused


def list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the files and of the folders in a folder, sorted. Raises OSError."""
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            (folders if entry.is_dir() else files).append(entry.name)
    return sorted(files), sorted(folders)
