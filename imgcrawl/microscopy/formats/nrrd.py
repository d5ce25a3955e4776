"""NRRD: a header in text, then the pixels (.nrrd), or the name of the file that has them (.nhdr).

Source: the definition of the NRRD file format (teem.sourceforge.net/nrrd/format.html).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.formats.streams import read_bzip2, read_gzip
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, require, whole
from imgcrawl.microscopy.units import nanometres, number
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_USUAL_HEADER, _MAX_HEADER = 64 << 10, 1 << 20
_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(r"([^:#\r\n]{1,80}):=?[ \t]*([^\r\n]{0,4000})")
_TYPES = {
    "signed char": "int8",
    "int8": "int8",
    "int8_t": "int8",
    "uchar": "uint8",
    "unsigned char": "uint8",
    "uint8": "uint8",
    "uint8_t": "uint8",
    "short": "int16",
    "short int": "int16",
    "signed short": "int16",
    "int16": "int16",
    "int16_t": "int16",
    "ushort": "uint16",
    "unsigned short": "uint16",
    "uint16": "uint16",
    "uint16_t": "uint16",
    "int": "int32",
    "signed int": "int32",
    "int32": "int32",
    "int32_t": "int32",
    "uint": "uint32",
    "unsigned int": "uint32",
    "uint32": "uint32",
    "uint32_t": "uint32",
    "longlong": "int64",
    "long long": "int64",
    "int64": "int64",
    "int64_t": "int64",
    "ulonglong": "uint64",
    "unsigned long long": "uint64",
    "uint64": "uint64",
    "uint64_t": "uint64",
    "float": "float32",
    "double": "float64",
}
_GZIP, _BZIP2 = {"gzip", "gz"}, {"bzip2", "bz2"}


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    raw = ranges.read(0, _USUAL_HEADER)
    if (end := _END.search(raw)) is None and len(raw) == _USUAL_HEADER:
        raw = ranges.read(0, _MAX_HEADER)
        end = _END.search(raw)
    text = raw[: end.start() if end else len(raw)].decode("utf-8", "replace")
    fields = {name.strip().lower(): value.strip() for name, value in _FIELD.findall(text)}
    sides = [int(word) for word in fields.get("sizes", "").split() if word.isdigit()]
    kind = _TYPES.get(fields.get("type", "").lower())
    is_block = fields.get("type", "").lower() == "block"
    if not sides or str(len(sides)) != fields.get("dimension") or not (kind or is_block):
        raise corrupt("an NRRD header without its type, dimension or sizes")
    detached = fields.get("data file") or fields.get("datafile")
    if end is None and not detached:
        require(ranges, len(raw) + 1, "the NRRD header")
        raise corrupt("an NRRD header without an end")
    voxels = VoxelSizes()
    axes = _axes(sides, fields)
    for axis, step, unit in zip(axes, _steps(fields, len(sides)), _units(fields), strict=False):
        if axis in {"x", "y", "z"} and step is not None:
            voxels.add(axis, nanometres(step, unit), "file: NRRD header")
    sizes = {f"size_{axis}": side for axis, side in zip(axes, sides, strict=True) if axis}
    length = math.prod(sides) * int(re.sub(r"\D", "", kind or "0") or 0) // 8
    start = end.end() if end else 0
    encoding = fields.get("encoding", "raw").lower()
    return FileFacts(
        format="NRRD",
        **sizes,  # type: ignore[arg-type]
        dtype=kind,
        compression="none" if encoding == "raw" else printable(encoding, 20),
        proof=Proof() if detached else _proof(ranges, encoding, start, length, options),
        extra={"data_file": printable(detached)} if detached else {},
        **voxels.facts(),
    )


def _proof(
    ranges: CachedRanges, encoding: str, start: int, length: int, options: DescribeOptions
) -> Proof:
    if encoding == "raw":
        return whole(ranges, start + length, "the pixels of the NRRD")
    read = read_gzip if encoding in _GZIP else read_bzip2 if encoding in _BZIP2 else None
    if read is not None and options.walk:
        stream = read(ranges.ranges, start)
        if stream.is_whole and stream.length < length:
            raise corrupt(f"{stream.length:,} bytes of pixels where {length:,} are needed")
        return stream.proof
    require(ranges, start + 1, "the pixels of the NRRD")
    return Proof(Checked.HEADER)


def _axes(sides: list[int], fields: dict[str, str]) -> list[str]:
    """Return the names of the axes, the fastest first: those of space in order, a colour as c."""
    kinds = fields.get("kinds", "").lower().split()
    if len(kinds) == len(sides):
        space = iter("xyz")
        names = {"time": "t", "space": "", "domain": ""}
        return [
            next(space, "") if not names.get(kind, "c") else names.get(kind, "c") for kind in kinds
        ]
    return [*"xyzt"[: len(sides)], *[""] * (len(sides) - 4)]


def _steps(fields: dict[str, str], count: int) -> list[float | None]:
    if words := fields.get("spacings", "").split():
        return [number(word) for word in words]
    found: list[float | None] = []
    for vector in re.findall(r"none|\(([^)]{1,200})\)", fields.get("space directions", "")):
        parts = [number(word.strip()) for word in vector.split(",")]
        good = [part for part in parts if part is not None]
        found.append(math.hypot(*good) if vector and len(good) == len(parts) else None)
    return found[:count]


def _units(fields: dict[str, str]) -> list[str]:
    words = re.findall(r'"([^"]{0,40})"', fields.get("units", ""))
    # Those of the space are given once for each of its axes.
    return words or re.findall(r'"([^"]{0,40})"', fields.get("space units", ""))


NRRD = FileFormat(
    "NRRD",
    (".nrrd", ".nhdr"),
    recognizes=lambda head: re.match(rb"NRRD000\d\r?\n", head) is not None,
    describe=_describe,
)
