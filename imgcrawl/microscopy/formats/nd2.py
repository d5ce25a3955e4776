"""ND2 of Nikon: chunks, and at the end a map of them, which a cut file has lost.

Source: the package nd2 (BSD), which reads it without Nikon's library.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.facts import Extra, FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.formats.nd2_tree import Leaf, leaves
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require, unpack
from imgcrawl.microscopy.units import nanometres, positive, seconds
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imgcrawl.microscopy.ranges import CachedRanges

_CHUNK = b"\xda\xce\xbe\x0a"
_FIRST_NAME = b"ND2 FILE SIGNATURE CHUNK NAME01!"
_END_NAME = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_MAP_NAME = b"ND2 FILEMAP SIGNATURE NAME 0001!"
_MAX_MAP = 16 << 20
_MAX_TREE = 4 << 20
_LOOPS = {1: "t", 2: "positions", 4: "z", 8: "t"}  # by eType
_POWER = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,2})?)\s?[xX]\b")
_ENTRY = 16  # offset and length of a chunk, behind its name


def _describe(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    if read_exactly(ranges, 16, 32, "the ND2 header") != _FIRST_NAME:
        raise corrupt("an ND2 file without its signature")
    if ranges.size is None:
        return FileFacts("ND2")
    chunks = chunk_map(ranges, ranges.size)
    for name, (place, length) in chunks.items():
        require(ranges, place + 16 + length, f"chunk {name.decode('latin-1')} of the ND2")
    return FileFacts("ND2", **_facts(ranges, chunks), proof=Proof(Checked.WHOLE))


def _facts(ranges: CachedRanges, chunks: Mapping[bytes, tuple[int, int]]) -> dict[str, Any]:
    """Return the arguments of FileFacts that the chunks of metadata give."""
    attributes = dict(_tree(ranges, chunks, b"ImageAttributes"))
    said = [*_tree(ranges, chunks, b"ImageMetadataSeq", b"|0")]
    picture = dict(reversed(said))  # the first of each name
    bits, samples = positive(attributes.get("uiBpcInMemory")), positive(attributes.get("uiComp"))
    width, height = positive(attributes.get("uiWidth")), positive(attributes.get("uiHeight"))
    voxels = VoxelSizes()
    for axis in "xy":
        voxels.add(axis, nanometres(picture.get("dCalibration"), "um"), "file: ND2 calibration")
    planes = dict.fromkeys(str(value) for name, value in said if name == "sDescription" and value)
    sizes, extra = _loops(_tree(ranges, chunks, b"ImageMetadata"), voxels)
    if planes:
        extra["channels"] = printable(", ".join(planes))
    return {
        "size_x": width and int(width),
        "size_y": height and int(height),
        "size_c": samples and int(samples),
        **sizes,
        "dtype": {8: "uint8", 16: "uint16", 32: "float32"}.get(int(bits or 0)),
        "magnification": positive(picture.get("dObjectiveMag")) or _of_name(picture),
        "extra": extra,
        **voxels.facts(),
    }


def _of_name(picture: Mapping[str, Leaf]) -> float | None:
    """Return the magnification that an objective's name has ("Plan Apo 60x"), or None."""
    found = _POWER.search(str(picture.get("wsObjectiveName", ""))[:200])
    return positive(found[1]) if found else None


def _tree(
    ranges: CachedRanges, chunks: Mapping[bytes, tuple[int, int]], name: bytes, end: bytes = b""
) -> Iterable[tuple[str, Leaf]]:
    """Return the leaves of a chunk of metadata, of the newer or the older kind."""
    for kind in (b"LV", b""):
        if (chunk := chunks.get(name + kind + end + b"!")) is not None:
            _, letters, length = unpack(ranges, chunk[0], "<4sIQ", "a chunk of the ND2")
            if length <= _MAX_TREE and letters < 1 << 16:
                return leaves(ranges.read(chunk[0] + 16 + letters, length))
    return ()


def _loops(tree: Iterable[tuple[str, Leaf]], voxels: VoxelSizes) -> tuple[dict[str, int], Extra]:
    """Return the sizes of the loops of an experiment; each tells its kind, then its length."""
    sizes: dict[str, int] = {}
    extra: Extra = {}
    axis = ""
    for name, value in tree:
        if name == "eType":
            axis = _LOOPS.get(int(positive(value) or 0), "")
        elif name == "uiCount" and axis and (count := positive(value)):
            if axis == "positions":
                extra["positions"] = int(count)
            else:
                sizes.setdefault(f"size_{axis}", int(count))
        elif name == "dZStep" and axis == "z":
            voxels.add("z", nanometres(value, "um"), "file: ND2 Z step")
        elif name == "dPeriod" and axis == "t" and (step := seconds(value, "ms")):
            extra["time_step_s"] = step
    return sizes, extra


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
