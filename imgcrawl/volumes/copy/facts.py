"""The description of a copied array or group, with the voxel size of its own level."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.merge import merge_record
from imgcrawl.microscopy.zarr_facts import describe_zarr
from imgcrawl.records.errors import RecordMissing
from imgcrawl.volumes.copy.grid import parse_object
from imgcrawl.volumes.metadata.folders import path_to
from imgcrawl.volumes.metadata.precomputed import scale_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.records.items import Stored, VolumeItem
    from imgcrawl.records.volume import Copy

    Get = Callable[[str], bytes | None]

_FURTHEST = 3  # folders between an array and the group that has its voxel size
_WITH_LEVELS = (".zattrs", "zarr.json", "attributes.json")


def describe_copy(get: Get, names: list[str], copy: Copy) -> FileFacts | None:
    """Return what the documents say, or None if they describe no picture (a group of groups).

    get:   returns a document by its name relative to the copy; those above it begin with "../"
    names: of the folders that the copy lies in, the copy itself last
    """
    if copy.volume is not None:
        node = parse_object(get(path_to(copy.volume, copy.address) + "info")) or {}
        scale = scale_at(node, copy.volume, copy.address)
        return None if scale is None else _precomputed(node, scale, None)
    try:
        facts = describe_zarr(get)
    except (RecordMissing, ValueError):
        node = parse_object(get("info")) or {}
        scales = _scales(node)
        return _precomputed(node, scales[0], len(scales)) if scales else None
    for up in range(1, min(_FURTHEST, len(names) - 1) + 1):
        path, base = "/".join(names[-up:]), "../" * up
        try:
            group = describe_zarr(partial(_of_level, get, path, base))
        except (RecordMissing, ValueError):
            continue
        if group.voxel_source and facts.levels is None:
            return replace(group, format=facts.format, levels=None)
    return facts


def tell_facts(item: VolumeItem, stored: Stored, facts: FileFacts) -> Stored:
    """Return the result of a copy with what is known of it; the item gets the columns."""
    # The item's metadata are of the whole multiscale; the documents here may be of a part.
    item.metadata = merge_record(facts, {}) | item.metadata
    width, height = (item.metadata.get(name) for name in ("size_x", "size_y"))
    return replace(
        stored,
        format=facts.format,
        width=width if isinstance(width, int) else None,
        height=height if isinstance(height, int) else None,
    )


def _of_level(get: Get, path: str, base: str, name: str) -> bytes | None:
    """Return a document of the group above, as if the level at `path` were its only one."""
    if name.startswith(f"{path}/"):
        return get(name.removeprefix(f"{path}/"))
    if name not in _WITH_LEVELS:
        return None
    body = get(base + name)
    node = parse_object(body)
    if node is None:
        return None
    own = node.get("attributes") if name == "zarr.json" else node
    for holder in (own, own.get("ome") if isinstance(own, dict) else None):
        scales = holder.get("multiscales") if isinstance(holder, dict) else None
        first = scales[0] if isinstance(scales, list) and scales else None
        if isinstance(first, dict):
            levels = first.get("datasets")
            first["datasets"] = [
                level
                for level in (levels if isinstance(levels, list) else ())
                if isinstance(level, dict) and level.get("path") == path
            ]
            return json.dumps(node).encode()
    return None  # it names no levels


def _precomputed(node: dict[str, Any], first: dict[str, Any], levels: int | None) -> FileFacts:
    """Describe a neuroglancer volume by one scale of it; `levels`: how many, if all are there."""
    sizes, voxels = _three(first.get("size")), _three(first.get("resolution"))
    source = "file: precomputed info" if voxels else None
    return FileFacts(
        format="precomputed",
        size_x=int(sizes[0]) if sizes else None,
        size_y=int(sizes[1]) if sizes else None,
        size_z=int(sizes[2]) if sizes else None,
        dtype=str(node.get("data_type"))[:20] if "data_type" in node else None,
        voxel_x_nm=float(voxels[0]) if voxels else None,
        voxel_y_nm=float(voxels[1]) if voxels else None,
        voxel_z_nm=float(voxels[2]) if voxels else None,
        voxel_source=dict.fromkeys("zyx", source) if source else {},
        compression=str(first["encoding"])[:40] if "encoding" in first else None,
        levels=levels,
    )


def _scales(node: dict[str, Any]) -> list[dict[str, Any]]:
    scales = node.get("scales")
    return [s for s in scales if isinstance(s, dict)] if isinstance(scales, list) else []


def _three(value: object) -> list[float]:
    """Return three positive numbers, or an empty list."""
    good = isinstance(value, list) and len(value) == 3
    items: list[Any] = value if isinstance(value, list) and good else []
    return items if all(type(n) in {int, float} and 0 < n < 1e15 for n in items) else []
