"""The Content-Type that an object gets: what its bytes are, else what its name says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.pictures.sniff import HEAD_BYTES, sniff

if TYPE_CHECKING:
    from pathlib import Path

# By Pillow's names of formats; the rest are image/<name>, as Pillow's own table has most.
_PICTURES = {"JPEG2000": "image/jp2", "MPO": "image/jpeg", "ICO": "image/vnd.microsoft.icon"}
_KNOWN = {"JPEG", "PNG", "GIF", "TIFF", "WEBP", "AVIF", "BMP"}
# Of what is told by its name only: texts, and what has no magic bytes.
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
_JSON = {".zarray", ".zattrs", ".zgroup", ".zmetadata"}  # of Zarr, which are names, no endings
UNKNOWN = "application/octet-stream"


def content_type(file: Path) -> str:
    """The media type of a file. Reads its first kilobyte."""
    with file.open("rb") as source:
        format_ = sniff(source.read(HEAD_BYTES)).format
    if format_ is not None:
        other = f"image/{format_.lower()}" if format_ in _KNOWN else UNKNOWN
        return _PICTURES.get(format_, other)
    if file.name in _JSON:
        return "application/json"
    return _NAMES.get(file.suffix.lower(), UNKNOWN)
