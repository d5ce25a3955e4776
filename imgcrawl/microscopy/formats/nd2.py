"""ND2 of Nikon: chunks, and at the end a map of them, which a cut file has lost.

Source: the package nd2 (BSD), which reads it without Nikon's library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require, unpack
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_CHUNK = b"\xda\xce\xbe\x0a"
_FIRST_NAME = b"ND2 FILE SIGNATURE CHUNK NAME01!"
_END_NAME = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_MAP_NAME = b"ND2 FILEMAP SIGNATURE NAME 0001!"
_MAX_MAP = 64 << 20
_ENTRY = 16  # offset and length of a chunk, behind its name


def _describe(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    if read_exactly(ranges, 16, 32, "the ND2 header") != _FIRST_NAME:
        raise corrupt("an ND2 file without its signature")
    if ranges.size is None:
        return FileFacts("ND2")
    chunks = chunk_map(ranges, ranges.size)
    for name, (place, length) in chunks.items():
        require(ranges, place + 16 + length, f"chunk {name.decode('latin-1')} of the ND2")
    return FileFacts("ND2", proof=Proof(Checked.WHOLE))


def chunk_map(ranges: CachedRanges, size: int) -> dict[bytes, tuple[int, int]]:
    """Return offset and length of each chunk by its name. Raises RecordMissing."""
    end, place = unpack(ranges, max(0, size - 40), "<32sQ", "the end of the ND2")
    if end != _END_NAME:
        raise RecordMissing(Outcome.TRUNCATED, "the ND2 stops before its map of chunks")
    magic, name_length, length = unpack(ranges, place, "<4sIQ", "the map of chunks")
    if magic != _CHUNK or length > _MAX_MAP or name_length > 1 << 16:
        raise corrupt("the ND2's map of chunks is not where it should be")
    data = read_exactly(ranges, place + 16 + name_length, length, "the map of chunks")
    found: dict[bytes, tuple[int, int]] = {}
    at = 0
    while (name_end := data.find(b"!", at, at + 4096)) >= 0:
        name = data[at : name_end + 1]
        if name == _END_NAME or name_end + 1 + _ENTRY > len(data):
            break
        entry = data[name_end + 1 : name_end + 1 + _ENTRY]
        found[name] = (int.from_bytes(entry[:8], "little"), int.from_bytes(entry[8:], "little"))
        at = name_end + 1 + _ENTRY
    if not found:
        raise corrupt("the ND2's map of chunks names none")
    return found


ND2 = FileFormat("ND2", (".nd2",), lambda head: head.startswith(_CHUNK), _describe)
