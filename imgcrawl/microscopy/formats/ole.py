"""OLE compound files: OIB of Olympus, ZVI and IPW, and old office documents.

Sectors that an allocation table chains; the table says how many are in use, which is how long the
file must be. Source: [MS-CFB], sections 2.2 to 2.3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.formats.oif import decoded, main_stream, read_oif
from imgcrawl.microscopy.formats.ole_streams import OleStreams
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FREE = 0xFFFFFFFF
_LAST_SECTOR = 0xFFFFFFF9
_HEADER_BYTES = 512
_MAX_TEXT = 1 << 20
_SHIFTS = {9, 12}
# What thumbnails of Windows, and documents of Office, have in them.
_OTHERS = {"Catalog", "WordDocument", "Workbook", "Book", "PowerPoint Document"}


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    head = read_exactly(ranges, 0, _HEADER_BYTES, "the OLE header")
    order, shift = struct.unpack_from("<2H", head, 28)
    (tables,) = struct.unpack_from("<I", head, 44)
    more, n_more = struct.unpack_from("<2I", head, 68)
    if order != 0xFFFE or shift not in _SHIFTS or not 0 < tables < 1 << 20 or n_more > tables:
        raise corrupt("an OLE header whose numbers are none")
    size = 1 << shift
    require(ranges, (1 + tables + n_more) * size, "the OLE allocation table")
    places = [each for each in struct.unpack_from("<109I", head, 76) if each < _LAST_SECTOR]
    for _ in range(n_more if options.walk else 0):
        require(ranges, (more + 2) * size, "the OLE allocation table")
        *found, more = struct.unpack(
            f"<{size // 4}I", read_exactly(ranges, (more + 1) * size, size, "the OLE table")
        )
        places += [each for each in found if each < _LAST_SECTOR]
    if len(places) < tables and (options.walk or not n_more):
        raise corrupt(f"{len(places):,} of {tables:,} allocation tables of an OLE file")
    # The last table with an entry in use tells the last sector.
    last = -1
    for index in range(len(places) - 1, -1, -1):
        raw = read_exactly(ranges, (places[index] + 1) * size, size, "the OLE allocation table")
        used = [n for n, entry in enumerate(struct.unpack(f"<{size // 4}I", raw)) if entry != _FREE]
        if used:
            last = index * (size // 4) + used[-1]
            break
    require(ranges, (last + 1) * size + 1, f"sector {last:,} of the OLE file")
    is_whole = ranges.size is not None and (options.walk or not n_more)
    is_short = ranges.size is not None and ranges.size < (last + 2) * size
    remark = "its last sector is incomplete" if is_short else ""
    streams = OleStreams(ranges, size, places, *struct.unpack_from("<I8xI", head, 48))
    if others := _OTHERS & streams.names():
        words = f"an OLE file of another program, with its {min(others)}"
        raise RecordMissing(Outcome.NOT_IMAGE, words)
    facts = _olympus(streams)
    proof = Proof(Checked.WHOLE if is_whole else Checked.HEADER, remark)
    return FileFacts("OLE (OIB)" if facts else "OLE", **facts, proof=proof)


def _olympus(streams: OleStreams) -> dict[str, Any]:
    """Return what an OIB says; nothing of other files."""
    info = streams.read("OibInfo.txt", _MAX_TEXT)
    name = main_stream(decoded(info))
    return read_oif(decoded(streams.read(name, _MAX_TEXT))) if name else {}


OLE = FileFormat(
    "OLE",
    (".oib", ".zvi", ".ipw"),
    recognizes=lambda head: head.startswith(_MAGIC),
    describe=_describe,
    archive=True,  # Windows' thumbnails and office documents are such files, too
)
