"""Formats of which the signature is known, and no more: their files are checked for that alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import require

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_LEAST = 512  # bytes: shorter than the header of any of them


def _format(
    name: str, extensions: tuple[str, ...], *magics: bytes, archive: bool = False
) -> FileFormat:
    def describe(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
        require(ranges, _LEAST, f"the header of the {name} file")
        return FileFacts(name)

    return FileFormat(
        name, extensions, lambda head: head.startswith(magics), describe, archive=archive
    )


SIGNATURES = (
    _format("OIR", (".oir", ".poir"), b"OLYMPUSRAWFORMAT"),
    _format("ETS", (".ets",), b"SIS\0"),  # the pixels of a VSI, in the folder beside it
    _format("EMI", (".emi",), b"JK\0\2", b"JK\2\0"),
    _format("OBF", (".obf", ".msr"), b"OMAS_BF_\n\xff\xff"),
    _format("SIF", (".sif",), b"Andor Technology Multi-Channel File"),
    _format("MIB", (".mib",), b"MQ1,", b"HDR,"),
    _format("BCF", (".bcf",), b"AAMVHFSS"),
    _format("MATLAB", (".mat",), b"MATLAB 5.0 MAT-file"),
    _format("RAR", (".rar",), b"Rar!\x1a\7", archive=True),
    _format("PDF", (".pdf",), b"%PDF-", archive=True),
)
