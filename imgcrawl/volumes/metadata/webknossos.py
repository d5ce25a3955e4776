"""What WEBKNOSSOS says of an array in the document at the root of its dataset.

Source: the specification of datasource-properties.json in scalableminds/webknossos-libs. The arrays
lie at LAYER/MAG; sizes are those of mag 1, and count x, y, z.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.units import nanometres, positive
from imgcrawl.volumes.metadata.documents import VolumeDocuments
from imgcrawl.volumes.metadata.folders import parent, path_to

if TYPE_CHECKING:
    from imgcrawl.records.volume import Level, Nanometres, VolumeAddress
    from imgcrawl.volumes.metadata.documents import Get

DATASET = "datasource-properties.json"


async def webknossos_level(get: Get, level: Level) -> Level | None:
    """Return an array as its dataset describes it, or None if it is in no dataset of WEBKNOSSOS.

    get: returns the bytes of a document, or None
    Raises RecordMissing for a document that cannot be read.
    """
    layer = parent(level.address)
    dataset = None if layer is None else parent(layer)
    if dataset is None:
        return None
    documents = VolumeDocuments(get, dataset)
    node = await documents.look(DATASET)
    mag = None if node is None else _mag(node, level.address, dataset)
    if node is None or mag is None:
        return None
    sha256 = hashlib.sha256(f"{level.sha256}{documents.sha256([DATASET])}".encode()).hexdigest()
    level = replace(_ordered(level, mag.get("axisOrder")), sha256=sha256)
    if level.voxel_nm != (None, None, None):
        return level
    sizes = _sizes(node.get("scale"), mag.get("mag"))
    z, y, x = (None if nm is None else 0.0 for nm in sizes)
    return replace(level, voxel_nm=sizes, translation_nm=(z, y, x))


def _mag(
    node: dict[str, Any], address: VolumeAddress, dataset: VolumeAddress
) -> dict[str, Any] | None:
    """Return what a dataset says of the array in a folder."""
    wanted = path_to(address, dataset).rstrip("/")
    for layer in _tables(node.get("dataLayers")):
        for mag in _tables(layer.get("mags")):
            path = mag.get("path") or f"{layer.get('name')}/{_mag_name(mag.get('mag'))}"
            if isinstance(path, str) and posixpath.normpath(path) == wanted:
                return mag
    return None


def paths_of_arrays(node: dict[str, Any]) -> list[str]:
    """Return the paths of the arrays that a dataset's document names; those in WKW are none."""
    found = []
    for layer in _tables(node.get("dataLayers")):
        for mag in _tables(layer.get("mags")):
            path = mag.get("path") or f"{layer.get('name')}/{_mag_name(mag.get('mag'))}"
            if not _is_wkw(layer) and isinstance(path, str):
                found.append(posixpath.normpath(path))
    return found


def names_in_wkw(node: dict[str, Any]) -> list[str]:
    """Return the names of the layers in WKW: of their files no document says which there are."""
    return [str(layer.get("name")) for layer in _tables(node.get("dataLayers")) if _is_wkw(layer)]


def _is_wkw(layer: dict[str, Any]) -> bool:
    return layer.get("dataFormat") == "wkw"


async def webknossos_pictures(get: Get, folder: VolumeAddress) -> list[str]:
    """Return the paths of the layers of a dataset of WEBKNOSSOS, or of the arrays of a layer.

    Raises RecordMissing.
    """
    node = await VolumeDocuments(get, folder).look(DATASET)
    if node is not None:
        return list(dict.fromkeys(path.rpartition("/")[0] for path in paths_of_arrays(node)))
    layer = await webknossos_layer(get, folder)
    return layer[0] if layer else []


async def webknossos_layer(get: Get, folder: VolumeAddress) -> tuple[list[str], bool] | None:
    """Return the names of a layer's arrays, and whether it is a segmentation; None if it is none.

    Raises RecordMissing.
    """
    dataset = parent(folder)
    node = None if dataset is None else await VolumeDocuments(get, dataset).look(DATASET)
    if node is None or dataset is None:
        return None
    own = path_to(folder, dataset)
    for layer in _tables(node.get("dataLayers")):
        paths = paths_of_arrays({"dataLayers": [layer]})
        inside = [path.removeprefix(own) for path in paths if path.startswith(own)]
        if inside:
            return inside, layer.get("category") == "segmentation"
    return None


def _mag_name(mag: object) -> str:
    """Return the name of a mag: "2", or "2-2-1" where the axes differ."""
    listed = mag if isinstance(mag, list) else [mag]
    return str(listed[0]) if len({*map(str, listed)}) == 1 else "-".join(map(str, listed))


def _sizes(scale: object, mag: object) -> Nanometres:
    """Return the voxel size (z, y, x) of a mag."""
    unit: object = "nm"
    sizes = scale
    if isinstance(scale, dict):
        sizes, unit = scale.get("factor"), scale.get("unit", "nanometer")
    factors = mag if isinstance(mag, list) else str(mag).split("-")
    factors = factors * 3 if len(factors) == 1 else factors
    if not isinstance(sizes, list) or len(sizes) != 3 or len(factors) != 3:
        return None, None, None
    x, y, z = (
        nanometres((positive(size) or 0.0) * (positive(factor) or 0.0), unit)
        for size, factor in zip(sizes, factors, strict=True)
    )
    return z, y, x


def _ordered(level: Level, order: object) -> Level:
    """Return a level whose axes are in the order that its mag says: ``{"c": 0, "x": 1, ...}``."""
    if not isinstance(order, dict) or level.driver == "n5":
        return level
    axes = tuple(sorted((str(axis) for axis in order), key=lambda axis: str(order[axis])))
    if sorted(axes) != sorted(level.axes) or axes == level.axes:
        return level
    sides = dict(zip("zyx", level.shape, strict=True)) | {"c": level.channels}
    chunks = dict(zip("zyx", level.chunk, strict=True)) | {"c": 1}
    sides, chunks = (
        {new: each[old] for new, old in zip(axes, level.axes, strict=True)}
        for each in (sides, chunks)
    )
    z, y, x = (sides[axis] for axis in "zyx")
    cz, cy, cx = (chunks[axis] for axis in "zyx")
    return replace(level, axes=axes, shape=(z, y, x), chunk=(cz, cy, cx), channels=sides["c"])


def _tables(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
