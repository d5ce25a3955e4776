"""The description of a TIFF that ImageJ wrote.

A hyperstack may have one directory, and all of its pixels behind that. Source: ImageJ's FileSaver,
`getDescriptionString`.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.proof import Proof
from imgcrawl.microscopy.tiff_page import (
    COARSEST_NM,
    X_RESOLUTION,
    Y_RESOLUTION,
    TiffHead,
    count,
    ratio,
    require_planes,
    resolution,
    tiff_facts,
)
from imgcrawl.microscopy.units import nanometres

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK = re.compile(r"ImageJ=")
_LINE = re.compile(r"([A-Za-z]+)=([^\n]{0,200})")
_AXES = (("z", "slices"), ("t", "frames"), ("c", "channels"))
_INCH = {"inch", "in"}


def is_imagej(description: str) -> bool:
    """Return whether ImageJ wrote the description of a page."""
    return _MARK.match(description) is not None


def describe_imagej(page: TiffHead, pages: int | None, size: int | None) -> FileFacts:
    """Return what ImageJ's description says.

    pages: directories, None if they were not counted; size: of the file, in bytes
    Raises RecordMissing (`truncated`).
    """
    lines = dict(_LINE.findall(page.description))
    images = count(lines.get("images")) or 1
    sizes = {axis: count(lines.get(name)) for axis, name in _AXES}
    if images > 1 and not any(sizes.values()):
        sizes["z"] = images
    remark, total = "", max(pages or 0, images)
    if pages == 1 and images > 1 and page.compression == "none":
        require_planes(page, images, size)
    elif pages is not None and pages < math.prod(n or 1 for n in sizes.values()):
        remark = f"ImageJ speaks of {images:,} images, and {pages:,} are there"
        sizes, total = dict.fromkeys(sizes), pages
    sizes["c"] = sizes["c"] or (page.samples if page.samples > 1 else None)
    return tiff_facts(
        page,
        "ImageJ TIFF",
        _voxels(page, lines),
        pages=total if pages is not None or images > 1 else None,
        proof=Proof(suspect=remark),
        **{f"size_{axis}": side for axis, side in sizes.items()},
    )


def _voxels(page: TiffHead, lines: Mapping[str, str]) -> VoxelSizes:
    """Return voxel sizes; y and z may have units of their own."""
    unit = lines.get("xunit") or lines.get("unit")
    if not unit:
        return resolution(page)
    voxels = VoxelSizes()
    for axis, tag in (("x", X_RESOLUTION), ("y", Y_RESOLUTION)):
        per_unit = ratio(page.tags.get(tag))
        length = nanometres(1 / per_unit, lines.get(f"{axis}unit") or unit) if per_unit else None
        # In inches it may be what a printer was told.
        is_print = unit.strip().lower() in _INCH and (length or 0) > COARSEST_NM
        voxels.add(axis, None if is_print else length, "ImageJ tags")
    if unit.strip().lower() not in _INCH or voxels.get("x"):
        depth = nanometres(lines.get("spacing"), lines.get("zunit") or lines.get("unit"))
        voxels.add("z", depth, "ImageJ tags")
    return voxels
