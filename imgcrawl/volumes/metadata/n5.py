"""Arrays and groups of N5: levels in any of three notations.

Sources: the README of N5, n5-viewer and OpenOrganelle. N5 counts from x; what is returned does not.
"""

from __future__ import annotations

import logging
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.units import positive
from imgcrawl.microscopy.zarr_documents import n5_array
from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import Multiscale
from imgcrawl.volumes.metadata.folders import name_of, within
from imgcrawl.volumes.metadata.levels import Calibration, array_calibration, make_level

if TYPE_CHECKING:
    from imgcrawl.microscopy.zarr_documents import ZarrArray
    from imgcrawl.records.volume import Level, Nanometres, VolumeAddress
    from imgcrawl.volumes.metadata.documents import VolumeDocuments

logger = logging.getLogger(__name__)

_LEVEL = re.compile(r"s\d{1,2}\Z")
_MAX_LEVELS = 64
LABEL_MULTISET = "label multiset"


async def read_n5(documents: VolumeDocuments, address: VolumeAddress) -> Multiscale | None:
    """Return the array or the group of levels at an address, or None if there is neither."""
    group = await documents.look("attributes.json")
    name = "attributes.json"
    if group is not None and "dimensions" in group:
        array = n5_array(group, {})
        calibration = n5_calibration(group, {}, array, address.shown)
        sha256 = documents.sha256([name])
        level = make_level(
            name_of(address), address, "n5", array, calibration=calibration, sha256=sha256
        )
        _tell(address, calibration.problems)
        return Multiscale(address, "N5", (_encoded(level, group),))
    if group is None:
        return None
    levels: list[Level] = []
    problems: list[str] = []
    named = group.get("multiscales")
    if isinstance(named, list) and len(named) > 1:
        problems.append(f"it names {len(named):,} multiscales, of which the first is read")
    for path, above in await n5_datasets(documents, group, address.shown):
        node = await documents.read(f"{path}/{name}")
        if node is None:
            logger.warning("%s has no level %s: it is left out", address.shown, path)
            continue
        array = n5_array(node, above)
        there = within(address, path)
        finest = levels[0].voxel_nm if levels and levels[0].name == "s0" else None
        calibration = n5_calibration(node, above, array, there.shown, finest=finest)
        sha256 = documents.sha256([name, f"{path}/{name}"])
        level = make_level(path, there, "n5", array, calibration=calibration, sha256=sha256)
        levels.append(_encoded(level, group | node))
        problems += calibration.problems
    _tell(address, problems)
    return Multiscale(address, "N5", tuple(levels)) if levels else None


def _tell(address: VolumeAddress, problems: list[str]) -> None:
    for problem in dict.fromkeys(problems):
        logger.warning("%s: %s", address.shown, problem)


def _encoded(level: Level, attributes: dict[str, Any]) -> Level:
    """Return a level whose encoding says if its bytes are no voxels.

    Paintera keeps, for each voxel, a list of ids and counts, in blocks that look like those of an
    array of bytes.
    """
    is_multiset = attributes.get("isLabelMultiset") is True
    return replace(level, encoding=LABEL_MULTISET) if is_multiset else level


async def n5_datasets(
    documents: VolumeDocuments, group: dict[str, Any], where: str
) -> list[tuple[str, dict[str, Any]]]:
    """Return the levels of a group: path, and what the group says of it.

    A group names them as multiscales (OpenOrganelle), or has them as s0, s1, ... with or without
    a list of factors. Raises SourceError for unusable paths.
    """
    multiscales = group.get("multiscales")
    first = multiscales[0] if isinstance(multiscales, list) and multiscales else None
    datasets = first.get("datasets") if isinstance(first, dict) else None
    if isinstance(datasets, list) and datasets:
        found = []
        for dataset in datasets[:_MAX_LEVELS]:
            path = dataset.get("path") if isinstance(dataset, dict) else None
            if not isinstance(path, str) or not _LEVEL.match(path):
                raise SourceError(f"{where} names a level whose path is none.")
            found.append((path, {**_with_factors(group, int(path[1:])), **dataset}))
        return found
    found = []
    for number in range(_MAX_LEVELS):
        if await documents.read(f"s{number}/attributes.json") is None:
            break
        found.append((f"s{number}", _with_factors(group, number)))
    return found


def _with_factors(group: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a group's attributes for one level of it: its own factors in place of the list.

    The list is called scales (n5-viewer) or downsamplingFactors (BigDataViewer, neuroglancer).
    """
    lists = (group.get(name) for name in ("downsamplingFactors", "scales"))
    factors = next((f for f in lists if isinstance(f, list) and f and isinstance(f[0], list)), [])
    attributes = {name: value for name, value in group.items() if name != "downsamplingFactors"}
    if number < len(factors):
        attributes["downsamplingFactors"] = factors[number]
    return attributes


def n5_calibration(
    node: dict[str, Any],
    above: dict[str, Any],
    array: ZarrArray,
    where: str,
    *,
    finest: Nanometres | None = None,
) -> Calibration:
    """Return what is known of a level: its own size, or that of the group, times its factors.

    finest: the voxel size of s0 (z, y, x), if that is known. By convention a size is that of s0,
            even if a level repeats it; some write that of the level, and the two of them show
            which it is.
    """
    for holder in (node, above):
        transform = holder.get("transform")
        if isinstance(transform, dict) and isinstance(transform.get("scale"), list):
            shift = transform.get("translate")
            return array_calibration(array, where, shift if isinstance(shift, list) else ())
    calibration = array_calibration(array, where)
    factors = node.get("downsamplingFactors") or above.get("downsamplingFactors")
    sizes = [positive(f) or 1.0 for f in factors] if isinstance(factors, list) else []
    if len(sizes) != len(array.shape):
        return calibration
    by_axis = dict(zip(calibration.axes, sizes[::-1], strict=True))
    scaled = calibration.scaled(by_axis)
    is_own = any(name in node for name in ("resolution", "pixelResolution"))
    if is_own and finest is not None and _is_scaled(calibration, finest, by_axis):
        scaled = calibration
    # A coarse voxel's middle is that of those it stands for.
    scaled.origin = {
        axis: nm / by_axis.get(axis, 1.0) * (by_axis.get(axis, 1.0) - 1) / 2
        for axis, nm in scaled.voxel.items()
    }
    return scaled


def _is_scaled(calibration: Calibration, finest: Nanometres, factors: dict[str, float]) -> bool:
    """Return whether a size is that of the finest level times the factors."""
    known = {axis: nm for axis, nm in zip("zyx", finest, strict=True) if nm is not None}
    return known.keys() == calibration.voxel.keys() and all(
        math.isclose(calibration.voxel[axis], nm * factors.get(axis, 1.0), rel_tol=1e-3)
        for axis, nm in known.items()
    )
