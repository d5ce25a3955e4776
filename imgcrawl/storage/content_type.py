"""The Content-Type of an object: by its bytes, else by its name."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from imgcrawl.pictures.sniff import HEAD_BYTES, sniff

if TYPE_CHECKING:
    from pathlib import Path

# By Pillow's names of formats; the rest are image/<name>, as Pillow's own table has most.
_PICTURES = {"JPEG2000": "image/jp2", "MPO": "image/jpeg", "ICO": "image/vnd.microsoft.icon"}
_KNOWN = {"JPEG", "PNG", "GIF", "TIFF", "WEBP", "AVIF", "BMP"}
# By the ending of the name: texts, and formats without magic bytes.
_NAMES = {
    ".csv": "text/csv; charset=utf-8",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".xml": "application/xml",
    ".json": "application/json",
    ".jsonl": "application/jsonl; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".sqlite": "application/vnd.sqlite3",
    ".zip": "application/zip",
    ".gz": "application/gzip",
    ".pdf": "application/pdf",
}
# Of Zarr, and the lock of an OUT: whole names, no endings.
_JSON = {".zarray", ".zattrs", ".zgroup", ".zmetadata", ".lock"}
UNKNOWN = "application/octet-stream"


def content_type(source: bytes | Path, name: str) -> str:
    """Return the media type of a file that is stored as `name`. Reads its first kilobyte."""
    if isinstance(source, bytes):
        head = source[:HEAD_BYTES]
    else:
        with source.open("rb") as file:
            head = file.read(HEAD_BYTES)
    format_ = sniff(head).format
    if format_ is not None:
        other = f"image/{format_.lower()}" if format_ in _KNOWN else UNKNOWN
        return _PICTURES.get(format_, other)
    last = name.rpartition("/")[2]
    if last in _JSON:
        return "application/json"
    return _NAMES.get(PurePosixPath(last).suffix.lower(), UNKNOWN)
