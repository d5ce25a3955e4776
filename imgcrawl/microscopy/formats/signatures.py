"""Formats of which the signature is known, and no more: their files are checked for that alone."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.microscopy.ranges import CachedRanges

_LEAST = 64  # bytes: shorter than the header of any of them


def _is_matlab_4(head: bytes) -> bool:
    """Return whether a file begins as MATLAB's of before 1996, which have no signature."""
    if len(head) < 20:
        return False
    kind, rows, columns, imaginary, letters = struct.unpack_from("<5i", head)
    name = head[20 : 19 + letters] if 1 < letters <= 64 else b""
    sound = 0 <= kind <= 52 and 0 <= rows < 1 << 24 and 0 <= columns < 1 << 24
    return sound and imaginary in {0, 1} and name.isalnum()


def _format(
    name: str,
    extensions: tuple[str, ...],
    *magics: bytes,
    at: int = 0,
    archive: bool = False,
    plausible: Callable[[bytes], bool] | None = None,
) -> FileFormat:
    """Return a format.

    at:        by how many bytes its signature may be behind the beginning
    plausible: whether a file without the signature is of the format, by its extension
    """

    def recognizes(head: bytes) -> bool:
        return any(magic in head[: at + len(magic)] for magic in magics)

    def describe(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
        require(ranges, _LEAST, f"the header of the {name} file")
        return FileFacts(name)

    def is_plausible(head: bytes) -> bool:
        return recognizes(head) or (plausible is not None and plausible(head))

    return FileFormat(name, extensions, recognizes, describe, is_plausible, archive)


SIGNATURES = (
    _format("OIR", (".oir",), b"OLYMPUSRAWFORMAT"),
    _format("JEOL", (".map", ".img", ".pts"), b"JED-", b"PTTDFILE", at=4),
    _format("ICS", (".ics",), b"ics_version\t", at=16),
    _format("SER (Lucam)", (".ser",), b"LUCAM-RECORDER"),
    _format("MATLAB", (".mat",), b"MATLAB 5.0 MAT-file", plausible=_is_matlab_4),
    _format("RAR", (".rar",), b"Rar!\x1a\7", archive=True),
    _format("PDF", (".pdf",), b"%PDF-", archive=True),
)
