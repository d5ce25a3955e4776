"""The description of an HDF5 file: of its largest dataset, or of an Imaris file's picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.facts import Extra, VoxelSizes
from imgcrawl.microscopy.formats.hdf5_calibration import emd_axes, members, read_axes, read_velox
from imgcrawl.microscopy.formats.hdf5_objects import (
    DATATYPE,
    FILTERS,
    NOWHERE,
    Hdf5Object,
    attributes,
    read_object,
    type_of,
)
from imgcrawl.microscopy.library_process import ask
from imgcrawl.microscopy.units import nanometres, number
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.extras import is_installed
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import ByteRanges

_MAX_OBJECTS, _MAX_REMOTE, _MAX_DEPTH = 300, 40, 10
_MAX_MEMBERS = 2000  # of a group
_CHILD = Path(__file__).parents[1] / "hdf5_child.py"
_IMARIS, _VELOX = "/DataSetInfo/Image", "/Data/Image/"


@dataclass(slots=True)
class _Found:
    """The largest dataset so far, what its group holds, and Imaris' description of the picture."""

    path: str = ""
    beside: dict[str, int] = field(default_factory=dict)
    dataset: Hdf5Object | None = None
    shape: tuple[int, ...] = ()
    imaris: Hdf5Object | None = None
    is_all: bool = True
    in_heap: bool = False  # groups whose members lie in a heap were passed over


def read_hdf5(ranges: ByteRanges, root: int, base: int, *, walk: bool) -> dict[str, Any]:
    """Return the arguments of FileFacts that the objects of a file give.

    root: the byte of the header of the root group; base: what addresses count from
    walk: look at some hundred objects, which may be a read each
    Nothing is returned of what is damaged or not known: the file is whole by its length.
    """
    found = _Found()
    try:
        limit = _MAX_OBJECTS if walk else _MAX_REMOTE
        _search(_Shifted(ranges, base), root, found, limit)
    except RecordMissing:
        return {}
    facts = _of_dataset(_Shifted(ranges, base), found) if found.dataset is not None else {}
    if found.imaris:
        return facts | _of_imaris(attributes(found.imaris))
    return _of_library(ranges, facts) if found.in_heap else facts


class _Shifted:
    """Ranges whose first byte is that of the HDF5 file within another."""

    def __init__(self, ranges: ByteRanges, base: int) -> None:
        self._ranges, self._base = ranges, base

    @property
    def size(self) -> int | None:
        """The length in bytes, None if it is not known."""
        return None if self._ranges.size is None else self._ranges.size - self._base

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset` on, fewer than `length` only at the end."""
        return self._ranges.read(offset + self._base, length)


def _search(ranges: _Shifted, root: int, found: _Found, limit: int) -> None:
    """Visit the objects, the first of each group before its others; note the largest dataset."""
    pending: list[tuple[str, int, dict[str, int]]] = [("", root, {})]
    seen = {root}
    for _ in range(limit):
        if not pending:
            return
        path, place, beside = pending.pop()
        item = read_object(ranges, place)
        found.in_heap = found.in_heap or item.in_heap
        if path == _IMARIS:
            found.imaris = item
        shape = item.shape
        if shape and item.first(DATATYPE):
            dtype, _ = type_of(item.first(DATATYPE) or b"")
            is_number = dtype is not None and dtype != "S" and not _is_document(path)
            if is_number and math.prod(shape) > math.prod(found.shape or (0,)):
                found.path, found.dataset, found.shape = path, item, shape
                found.beside = beside
            continue
        if path.count("/") < _MAX_DEPTH:
            inner = members(ranges, item, _MAX_MEMBERS)
            for name, below in reversed(inner.items()):
                if below not in seen and below != NOWHERE:
                    seen.add(below)
                    pending.append((f"{path}/{name}", below, inner))
    found.is_all = not pending


def _of_library(ranges: ByteRanges, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what h5py finds where groups lie in heaps; without it, that it is needed."""
    if not is_installed("microscopy"):
        hint = "groups in a heap: pip install 'imgcrawl[microscopy]'"
        return facts | {"extra": facts.get("extra", {}) | {"not_read": hint}}
    found = ask(_CHILD, ranges, ranges.size) if ranges.size is not None else None
    shape = tuple(found.get("shape", ())) if found else ()
    if not found or "dataset" not in found or math.prod(shape) <= _pixels(facts):
        return facts
    extra: Extra = {"dataset": printable(found["dataset"]), "shape": " x ".join(map(str, shape))}
    if not found.get("all"):
        extra["dataset_of"] = "the first objects"
    axes = "zyx"[-len(shape) :] if len(shape) <= 3 else ""
    voxels = VoxelSizes()
    sizes = found.get("element_size_um") or []
    for axis, size in zip("zyx"[-len(sizes) :] if sizes else "", sizes, strict=False):
        voxels.add(axis, nanometres(size, "um"), "file: element_size_um")
    return {
        **{f"size_{axis}": side for axis, side in zip(axes, shape, strict=False)},
        **voxels.facts(),
        "dtype": found.get("dtype"),
        "compression": None if found.get("packed") else "none",
        "extra": extra,
    }


def _pixels(facts: dict[str, Any]) -> int:
    """Return how many pixels the dataset has that the reader here found."""
    words = str(facts.get("extra", {}).get("shape", "0")).split(" x ")
    return math.prod(int(word) for word in words)


def _is_document(path: str) -> bool:
    """Return whether a dataset of bytes is Velox' description of a picture, often the larger."""
    return path.startswith("/Data/") and path.endswith("/Metadata")


def _of_dataset(ranges: _Shifted, found: _Found) -> dict[str, Any]:
    assert found.dataset is not None
    dtype, _ = type_of(found.dataset.first(DATATYPE) or b"")
    shape = found.shape
    extra: Extra = {"dataset": printable(found.path), "shape": " x ".join(map(str, shape))}
    if not found.is_all:
        extra["dataset_of"] = "the first objects"  # of a file with more of them
    is_velox = found.path.startswith(_VELOX) and len(shape) == 3
    axes = [*("yxt" if is_velox else _axes(found.dataset, shape))]  # Velox puts the frames last
    facts: dict[str, Any] = {}
    try:
        if is_velox and (place := found.beside.get("Metadata")) is not None:
            facts = read_velox(ranges, read_object(ranges, place))
        else:
            axes = emd_axes(ranges, found.beside, len(shape)) or axes
            facts = read_axes(ranges, found.beside, axes, found.dataset).facts()
    except RecordMissing:  # what stands beside the picture is damaged
        facts = {}
    return facts | {
        **{f"size_{axis}": side for axis, side in zip(axes, shape, strict=False) if axis},
        "dtype": dtype,
        "compression": None if found.dataset.first(FILTERS) else "none",
        "extra": extra | facts.get("extra", {}),
    }


def _axes(dataset: Hdf5Object, shape: tuple[int, ...]) -> str:
    """Return the letters of the axes, slowest first; "" if there are too many to name."""
    own = attributes(dataset)
    if len(shape) == 3 and own.get("IMAGE_SUBCLASS") == ("IMAGE_TRUECOLOR",):
        return "cyx" if own.get("INTERLACE_MODE") == ("INTERLACE_PLANE",) else "yxc"
    return "zyx"[-len(shape) :] if len(shape) <= 3 else ""


def _of_imaris(fields: dict[str, tuple[float | str, ...]]) -> dict[str, Any]:
    """Return the sizes of an Imaris picture: pixels, and where it begins and ends in space."""

    def value(name: str) -> float | None:
        return number(next(iter(fields.get(name, ())), None))

    unit = str(next(iter(fields.get("Unit", ())), "um"))
    voxels, sizes = VoxelSizes(), {}
    for index, axis in enumerate("xyz"):
        count, ends = value(axis.upper()), (value(f"ExtMin{index}"), value(f"ExtMax{index}"))
        if count is None or count < 1:
            continue
        sizes[f"size_{axis}"] = int(count)
        if ends[0] is not None and ends[1] is not None:
            step = nanometres((ends[1] - ends[0]) / count, unit)
            voxels.add(axis, step, "file: Imaris extents")
    return {**sizes, **voxels.facts()} if sizes else {}
