"""The description of an array or group of Zarr (2 and 3, OME-NGFF 0.1 to 0.5) or N5.

Nothing is read but documents, by name, relative to the array or group that is described.
Sources: the Zarr specifications 2 and 3, ome-ngff 0.4 and 0.5, and the README of N5.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from imgcrawl.microscopy.facts import Extra, FileFacts, VoxelSizes
from imgcrawl.microscopy.format import FolderFormat
from imgcrawl.microscopy.ome_transforms import axes_in_system
from imgcrawl.microscopy.units import nanometres, positive
from imgcrawl.microscopy.zarr_documents import (
    ZarrArray,
    ZarrDocuments,
    first_multiscale,
    is_level_path,
    n5_array,
    v2_array,
    v3_array,
)
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgcrawl.microscopy.format import GetDocument

_AXES = ("t", "c", "z", "y", "x")
_MAX_LEVELS = 64
_N5_SCALE = re.compile(r"s(\d{1,2})\Z")


def describe_zarr(get: GetDocument) -> FileFacts:
    """Return what an array, or a group of levels, says of itself.

    get: returns the bytes of a document (".zattrs", "s0/.zarray", "zarr.json"), or None
    Raises RecordMissing (`not_image`, `empty`, `corrupt`), and what `get` raises.
    """
    documents = ZarrDocuments(get)
    facts = _v3(documents, "") or _v2(documents, "") or _n5(documents)
    if facts is None:
        raise RecordMissing(Outcome.NOT_IMAGE, "no Zarr or N5 metadata")
    return facts


def _v3(documents: ZarrDocuments, base: str) -> FileFacts | None:
    node = documents.read(base + "zarr.json")
    if node is None:
        return None
    documents.learn_v3(base, node)
    if node.get("node_type") == "array":
        return _plain(v3_array(node), "Zarr v3")
    attributes = _dict(node.get("attributes"))
    ome = _dict(attributes.get("ome")) or attributes
    scales = first_multiscale(ome)
    if scales is None:
        if not base and "bioformats2raw.layout" in ome:
            return _v3(documents, "0/") or _nothing()
        _nothing()
    return _pyramid(scales, lambda path: _level_v3(documents, base + path))


def _level_v3(documents: ZarrDocuments, path: str) -> ZarrArray | None:
    node = documents.read(path + "/zarr.json")
    return None if node is None else v3_array(node)


def _v2(documents: ZarrDocuments, base: str) -> FileFacts | None:
    attributes = documents.read(base + ".zattrs") or {}
    array = documents.read(base + ".zarray")
    if array is not None:
        return _plain(v2_array(array, attributes), "Zarr v2")
    scales = first_multiscale(attributes)
    if scales is not None:
        return _pyramid(scales, lambda path: _level_v2(documents, base + path))
    # bioformats2raw puts the first image of a file into a group called 0.
    if not base and "bioformats2raw.layout" in attributes:
        return _v2(documents, "0/") or _nothing()
    if attributes or documents.read(base + ".zgroup") is not None:
        _nothing()
    return None


def _level_v2(documents: ZarrDocuments, path: str) -> ZarrArray | None:
    node = documents.read(path + "/.zarray")
    return None if node is None else v2_array(node, {})


def _nothing() -> NoReturn:
    raise RecordMissing(Outcome.NOT_IMAGE, "a group that holds no picture of its own")


def _pyramid(scales: dict[str, Any], level: Callable[[str], ZarrArray | None]) -> FileFacts:
    """Return the facts of a group of levels: of its first level, which is the finest."""
    datasets = [each for each in _list(scales.get("datasets")) if isinstance(each, dict)]
    if not datasets or len(datasets) > _MAX_LEVELS:
        raise RecordMissing(Outcome.CORRUPT, f"a multiscale picture of {len(datasets):,} levels")
    path = datasets[0].get("path")
    if not is_level_path(path):
        raise RecordMissing(Outcome.CORRUPT, "a level whose path is none")
    array = level(path)
    if array is None:
        raise RecordMissing(Outcome.CORRUPT, f"the metadata of level {path} are missing")
    voxels = VoxelSizes()
    if (dimensions := axes_in_system(scales, datasets[0], len(array.shape))) is not None:
        for each in dimensions:
            if each.factor is not None and str(each.name).lower() in {"z", "y", "x"}:
                size = nanometres(each.factor, each.unit)
                voxels.add(str(each.name).lower(), size, "file: OME-NGFF")
        names = [str(each.name).lower() for each in dimensions]
        return _facts("OME-Zarr", array, names, voxels, levels=len(datasets))
    axes, units = _axes(scales.get("axes"), len(array.shape))
    outer, inner = _scale(scales, len(axes)), _scale(datasets[0], len(axes))
    for axis, unit, one, other in zip(axes, units, inner, outer, strict=True):
        if one is not None and axis in {"z", "y", "x"}:
            voxels.add(axis, nanometres(one * (other or 1.0), unit), "file: OME-NGFF")
    return _facts("OME-Zarr", array, axes, voxels, levels=len(datasets))


def _axes(axes: object, count: int) -> tuple[list[str], list[object]]:
    """Return names and units of the axes; in the first versions they were fixed, or names only."""
    listed = _list(axes) or list(_AXES[-count:] if count <= len(_AXES) else ())
    if len(listed) != count:
        raise RecordMissing(
            Outcome.CORRUPT, f"{len(listed):,} axes of an array of {count} dimensions"
        )
    names = [each.get("name") if isinstance(each, dict) else each for each in listed]
    units = [each.get("unit") if isinstance(each, dict) else None for each in listed]
    return [str(name).lower() for name in names], units


def _scale(holder: dict[str, Any], count: int) -> list[float | None]:
    """Return the scales of a level or of all levels, None for each axis without one."""
    for transform in _list(holder.get("coordinateTransformations")):
        if isinstance(transform, dict) and transform.get("type") == "scale":
            scale = [positive(each) for each in _list(transform.get("scale"))]
            if len(scale) == count:
                return scale
    return [None] * count


def _plain(array: ZarrArray, kind: str) -> FileFacts:
    """Return the facts of a single array, whose axes may have names in it."""
    axes = [str(name).lower() for name in array.axes]
    if len(axes) != len(array.shape):
        axes = list(_AXES[-len(array.shape) :]) if len(array.shape) <= 3 else []
    voxels = VoxelSizes()
    for axis, unit, size in zip(axes, array.units, array.scale, strict=False):
        if axis in {"z", "y", "x"}:
            voxels.add(axis, nanometres(size, unit), f"file: {kind} attributes")
    return _facts(kind, array, axes, voxels)


def _n5(documents: ZarrDocuments) -> FileFacts | None:
    node = documents.read("attributes.json")
    if node is None:
        return None
    if "dimensions" in node:
        return _plain(n5_array(node, {}), "N5")
    scales = first_multiscale(node)
    if scales is not None:
        return _pyramid_n5(documents, node, scales)
    # The layout of BigDataViewer: the levels are s0, s1, ..., the sizes stand with the group.
    first = documents.read("s0/attributes.json")
    if first is None:
        _nothing()
    facts = n5_array(first, node)
    return _with_levels(_plain(facts, "N5"), len(_list(node.get("scales"))))


def _pyramid_n5(
    documents: ZarrDocuments, node: dict[str, Any], scales: dict[str, Any]
) -> FileFacts:
    datasets = [each for each in _list(scales.get("datasets")) if isinstance(each, dict)]
    path = datasets[0].get("path") if datasets else None
    if not isinstance(path, str) or not _N5_SCALE.match(path):
        raise RecordMissing(Outcome.CORRUPT, "a level whose path is none")
    first = documents.read(f"{path}/attributes.json")
    if first is None:
        raise RecordMissing(Outcome.CORRUPT, f"the metadata of level {path} are missing")
    above = {**node, **_dict(datasets[0])}
    return _with_levels(_plain(n5_array(first, above), "N5"), len(datasets))


def _with_levels(facts: FileFacts, levels: int) -> FileFacts:
    return replace(facts, levels=levels) if 0 < levels <= _MAX_LEVELS else facts


def _facts(
    kind: str, array: ZarrArray, axes: Sequence[str], voxels: VoxelSizes, levels: int | None = None
) -> FileFacts:
    sizes = dict(zip(axes, array.shape, strict=False))
    extra: Extra = {"shape": " x ".join(map(str, array.shape))}
    if array.chunks:
        extra["chunks"] = " x ".join(map(str, array.chunks))
    return FileFacts(
        format=kind,
        size_z=sizes.get("z"),
        size_y=sizes.get("y"),
        size_x=sizes.get("x"),
        size_c=sizes.get("c"),
        size_t=sizes.get("t"),
        dtype=array.dtype,
        voxel_z_nm=voxels.get("z"),
        voxel_y_nm=voxels.get("y"),
        voxel_x_nm=voxels.get("x"),
        voxel_source=voxels.source,
        compression=array.compression,
        levels=levels,
        extra=extra,
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


ZARR = FolderFormat(
    "Zarr",
    (".zarr", ".n5"),
    documents=("zarr.json", ".zattrs", ".zarray", ".zgroup", "attributes.json"),
    describe=describe_zarr,
)
