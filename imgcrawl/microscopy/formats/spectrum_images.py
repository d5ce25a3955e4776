"""Maps of spectra: BCF of Bruker (X-rays) and WDF of Renishaw (Raman).

A BCF is a file system of its own, which says how many chunks it has; a WDF is a row of blocks, each
with its length. Source: files of these instruments, as rosettasciio's tests have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, require, unpack, whole

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_BCF_START, _BCF_CHUNK, _BCF_COUNT = 0x118, 0x128, 0x148
_MAX_BLOCKS = 50_000


def _bcf(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    (chunk,) = unpack(ranges, _BCF_CHUNK, "<I", "the BCF header")
    (count,) = unpack(ranges, _BCF_COUNT, "<I", "the BCF header")
    if not (0 < chunk < 1 << 28 and count):
        raise corrupt(f"a BCF of {count:,} chunks of {chunk:,} bytes")
    return FileFacts("BCF", proof=whole(ranges, _BCF_START + chunk * count, "the BCF"))


def _wdf(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    """Describe a WDF: four letters, a number and a length begin each block."""
    at = 0
    for index in range(_MAX_BLOCKS if options.walk else 1):
        if at == ranges.size:
            return FileFacts("WDF", proof=Proof(Checked.WHOLE))
        (length,) = unpack(ranges, at + 8, "<Q", f"block {index:,} of the WDF")
        if length < 16:
            raise corrupt(f"block {index:,} of the WDF has {length:,} bytes")
        at += length
        require(ranges, at, f"block {index:,} of the WDF")
    return FileFacts("WDF")


SPECTRUM_IMAGES = (
    FileFormat("BCF", (".bcf",), lambda head: head.startswith(b"AAMVHFSS"), _bcf),
    FileFormat("WDF", (".wdf",), lambda head: head.startswith(b"WDF1"), _wdf),
)
