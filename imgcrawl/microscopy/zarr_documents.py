"""Arrays kept in chunks, each described by a small JSON document: Zarr 2, Zarr 3 and N5."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from imgcrawl.pictures.sniff import HEAD_BYTES, excerpt, sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_DOCUMENT = 16 << 20  # bytes; consolidated metadata of a plate are some megabytes
_MAX_DIMENSIONS = 32
_MAX_PATH = 900  # characters; the names of chunks come after it
_MAX_PARTS = 16
_MAX_SIDE = 1 << 50
_V2_TYPE = re.compile(r"[<>|=]([biufc])(\d{1,2})\Z")
_UNIT = re.compile(r"\s*(\d[\d.]{0,20}(?:[eE][+-]?\d{1,3})?)?\s*([^\W\d]{1,20})\s*\Z")
_NAMES = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
_TYPE = re.compile(r"(?:bool|u?int(?:8|16|32|64)|float(?:16|32|64)|complex(?:64|128)|bfloat16)\Z")
_SIZES = ("resolution", "voxel_size")
_CHECKS = frozenset({"bytes", "transpose", "crc32c", "endian"})  # codecs that make nothing smaller


@dataclass(frozen=True, slots=True)
class ZarrArray:
    """One array, its axes in the order that C has: x last.

    axes, units, scale: if the array's own document has them
    shift: likewise, the position of its first voxel in the same units
    """

    shape: tuple[int, ...]
    dtype: str | None
    compression: str | None
    chunks: tuple[int, ...] = ()
    axes: tuple[object, ...] = ()
    units: tuple[object, ...] = ()
    scale: tuple[object, ...] = ()
    shift: tuple[object, ...] = ()


def document_at(path: Path, limit: int = MAX_DOCUMENT) -> bytes | None:
    """Return the bytes of a document on the disk, or None if it cannot be read.

    One byte beyond the limit comes too, so that the parser sees that it is too long.
    """
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError:
        return None


class ZarrDocuments:
    """JSON documents by name, each asked for once; consolidated ones are known in advance."""

    def __init__(self, get: Callable[[str], bytes | None]) -> None:
        self._get = get
        self._known: dict[str, dict[str, Any] | None] = {}
        self._consolidated: dict[str, Any] | None = None

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a document, or None if it is absent.

        Raises RecordMissing for what is not a JSON object.
        """
        if name not in self._known:
            body = self._get(name)
            known = None if body is None else parse_document(name, body)
            if known is None and name.rpartition("/")[2].startswith(".z"):
                known = self._from_consolidated(name)
            self._known[name] = known
        return self._known[name]

    def learn_v3(self, base: str, node: dict[str, Any]) -> None:
        """Note the documents that a group of Zarr 3 has within its own."""
        inner = node.get("consolidated_metadata")
        known = inner.get("metadata") if isinstance(inner, dict) else None
        for path, child in known.items() if isinstance(known, dict) else ():
            if isinstance(child, dict):
                self._known.setdefault(f"{base}{path}/zarr.json", child)

    def _from_consolidated(self, name: str) -> dict[str, Any] | None:
        if self._consolidated is None:
            body = self._get(".zmetadata")
            whole = {} if body is None else parse_document(".zmetadata", body)
            metadata = whole.get("metadata")
            self._consolidated = metadata if isinstance(metadata, dict) else {}
        found = self._consolidated.get(name)
        return found if isinstance(found, dict) else None


def parse_document(name: str, body: bytes) -> dict[str, Any]:
    """Return a document's JSON object. Raises RecordMissing that quotes what came instead."""
    if not body:
        raise RecordMissing(Outcome.EMPTY, f"{name} is empty")
    if len(body) > MAX_DOCUMENT:
        raise RecordMissing(Outcome.TOO_LARGE, f"{name} has {len(body):,} bytes")
    try:
        found = json.loads(body)
    # Numbers too long to convert are ValueErrors, as are bytes that are not text.
    except (ValueError, RecursionError) as error:
        kind = sniff(body[:HEAD_BYTES])
        if kind.what == "JSON":
            cut = isinstance(error, json.JSONDecodeError) and error.pos >= len(body.rstrip()) - 1
            outcome = Outcome.TRUNCATED if cut else Outcome.CORRUPT
            raise RecordMissing(outcome, f"{name}: {printable(str(error))}") from error
        words = f"{name} is {kind.what}: {excerpt(body)}".removesuffix(": ")
        raise RecordMissing(Outcome.NOT_IMAGE, words) from error
    if not isinstance(found, dict):
        raise RecordMissing(Outcome.CORRUPT, f"{name} is no JSON object")
    return found


def is_level_path(path: object) -> TypeGuard[str]:
    """Return whether a document may name a level so: a path below its group, of any letters.

    It goes into a URL and a file's name: it must not climb out of the group.
    """
    if not isinstance(path, str) or len(path) > _MAX_PATH:
        return False
    parts = path.split("/")
    return len(parts) <= _MAX_PARTS and all(
        part not in {"", ".", ".."} and part.isprintable() and "\\" not in part for part in parts
    )


def first_multiscale(attributes: dict[str, Any], index: int = 0) -> dict[str, Any] | None:
    """Return the first of the multiscales of OME-NGFF in the attributes of a group, or None.

    index: another one of them
    """
    listed = attributes.get("multiscales")
    scales = listed if isinstance(listed, list) else []
    found = scales[index] if index < len(scales) else None
    return found if isinstance(found, dict) else None


def v2_array(node: dict[str, Any], attributes: dict[str, Any]) -> ZarrArray:
    """Return an array of Zarr 2: .zarray and .zattrs."""
    compressor = node.get("compressor")
    compression = None
    if isinstance(compressor, dict):
        # Blosc is a frame; what compresses has a name of its own.
        compression = _word(compressor.get("cname") or compressor.get("id"))
    elif compressor is None:
        compression = "none"
    dtype = node.get("dtype")
    code = _V2_TYPE.match(dtype) if isinstance(dtype, str) else None
    name = None
    if code is not None:
        name = "bool" if code[1] == "b" else f"{_NAMES[code[1]]}{8 * int(code[2])}"
    shape = _shape(node.get("shape"))
    axes, units, scale, shift = _zarr_calibration(attributes, len(shape))
    return ZarrArray(
        shape=shape,
        dtype=name,
        compression=compression,
        chunks=_sides(node.get("chunks")),
        axes=axes or _items(attributes.get("_ARRAY_DIMENSIONS")),
        units=units,
        scale=scale,
        shift=shift,
    )


def v3_array(node: dict[str, Any]) -> ZarrArray:
    """Return an array of Zarr 3: zarr.json."""
    grid = _at(node, "chunk_grid", "configuration", "chunk_shape")
    codecs = _items(node.get("codecs"))
    sharded = next((c for c in codecs if _name(c) == "sharding_indexed"), None)
    if sharded is not None:
        grid = _at(sharded, "configuration", "chunk_shape")
        codecs = _items(_at(sharded, "configuration", "codecs"))
    compression = next((_codec(c) for c in codecs if _name(c) not in _CHECKS), "none")
    shape = _shape(node.get("shape"))
    axes, units, scale, shift = _zarr_calibration(node.get("attributes"), len(shape))
    return ZarrArray(
        shape=shape,
        dtype=_type(node.get("data_type")),
        compression=compression if codecs else None,
        chunks=_sides(grid),
        axes=axes or _items(node.get("dimension_names")),
        units=units,
        scale=scale,
        shift=shift,
    )


def n5_array(node: dict[str, Any], group: dict[str, Any]) -> ZarrArray:
    """Return an array of N5: its attributes.json, and that of the group above it.

    N5 counts from x; the array returned does not.
    """
    shape = _shape(node.get("dimensions"))
    compression = _at(node, "compression", "type") or node.get("compressionType")
    word = _word(compression)
    axes, units, scale = _n5_calibration(node, group, len(shape))
    return ZarrArray(
        shape=shape[::-1],
        dtype=_type(node.get("dataType")),
        compression="none" if word == "raw" else word,
        chunks=_sides(node.get("blockSize"))[::-1],
        axes=axes[::-1],
        units=units[::-1],
        scale=scale[::-1],
    )


_Triple = tuple[tuple[object, ...], tuple[object, ...], tuple[object, ...]]


def _zarr_calibration(attributes: object, count: int) -> tuple[tuple[object, ...], ...]:
    """Return axes, units, sizes and shift that an array of Zarr gives, in C order.

    OpenOrganelle's transform, or what EM tools of Janelia write: resolution (or voxel_size) with
    units; or dimension_units. A size without a unit is ignored.
    """
    transform = _at(attributes, "transform")
    holder, names = (transform, ("scale",)) if isinstance(transform, dict) else (attributes, _SIZES)
    scale = next((found for name in names if (found := _items(_at(holder, name)))), ())
    units = _items(_at(holder, "units"))
    if len(scale) != count or len(units) != count:
        sizes, units = _dimension_units(_at(attributes, "dimension_units"), count)
        if not sizes and len(scale) == count:
            sizes, units = scale, (None,) * count  # whoever reads it says that it has no unit
        return (), units, sizes, ()
    shift = _items(_at(holder, "translate")) or _items(_at(holder, "offset"))
    axes = _items(_at(holder, "axes")) or _items(_at(holder, "axis_names"))
    return axes if len(axes) == count else (), units, scale, shift if len(shift) == count else ()


def _dimension_units(value: object, count: int) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Return sizes and units of tensorstore's and neuroglancer's ``["30 nm", null, [4, "nm"]]``.

    A dimension may have none. Source: "Coordinate spaces" of neuroglancer's Zarr data source, and
    Unit of tensorstore's JSON.
    """
    listed = _items(value)
    if len(listed) != count:
        return (), ()
    sizes: list[object] = []
    units: list[object] = []
    for each in listed:
        match = _UNIT.match(each) if isinstance(each, str) else None
        pair = _items(each)
        size, unit = pair if len(pair) == 2 else (None, None)
        if match is not None:
            size, unit = match[1] or 1, match[2]
        sizes.append(size)
        units.append(unit)
    return tuple(sizes), tuple(units)


def _n5_calibration(node: dict[str, Any], group: dict[str, Any], count: int) -> _Triple:
    """Return axes, units and sizes, x first, from whichever of three notations is used."""
    usual = ("x", "y", "z", "t")[:count]
    for holder in (node, group):
        axes = _items(holder.get("axes"))
        axes = axes if len(axes) == count else usual
        transform = holder.get("transform")
        if isinstance(transform, dict) and _items(transform.get("scale")):
            # OpenOrganelle's: named axes in the order of C.
            return tuple(_items(transform.get(k))[::-1] for k in ("axes", "units", "scale"))  # type: ignore[return-value]
        if _items(holder.get("resolution")):
            return axes, _items(holder.get("units")), _items(holder.get("resolution"))
        pixel = holder.get("pixelResolution")
        if isinstance(pixel, dict):
            return axes, (pixel.get("unit"),) * count, _items(pixel.get("dimensions"))
        if isinstance(pixel, list):  # without a unit it is in micrometres
            return axes, ("um",) * count, tuple(pixel)
    return usual, (), ()


def _shape(value: object) -> tuple[int, ...]:
    shape = _sides(value)
    if not shape:
        raise RecordMissing(Outcome.CORRUPT, "an array whose shape is none")
    return shape


def _sides(value: object) -> tuple[int, ...]:
    """Return numbers of pixels, or an empty tuple if one of them is not such a number."""
    sides = _items(value)
    good = all(type(side) is int and 0 < side < _MAX_SIDE for side in sides)
    return sides if good and len(sides) <= _MAX_DIMENSIONS else ()


def _codec(codec: object) -> str | None:
    return _word(_at(codec, "configuration", "cname") or _name(codec))


def _name(codec: object) -> str | None:
    """Return a codec's name, or None if it has no text as its name."""
    name = codec.get("name") if isinstance(codec, dict) else codec
    return name if isinstance(name, str) else None


def _type(value: object) -> str | None:
    return value if isinstance(value, str) and _TYPE.match(value) else None


def _word(value: object) -> str | None:
    return printable(value, 40) or None if isinstance(value, str) else None


def _at(value: object, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _items(value: object) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) and len(value) <= 1000 else ()
