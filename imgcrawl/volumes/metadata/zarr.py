"""Arrays and groups of Zarr 2 and 3: OME-NGFF multiscales, and arrays of their own."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.zarr_documents import (
    ZarrArray,
    first_multiscale,
    is_level_path,
    v2_array,
    v3_array,
)
from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import Driver, Level, Multiscale, VolumeAddress
from imgcrawl.text.redact import printable
from imgcrawl.volumes.metadata.folders import name_of, within
from imgcrawl.volumes.metadata.levels import array_calibration, make_level
from imgcrawl.volumes.metadata.ome_calibration import ome_calibration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imgcrawl.volumes.metadata.documents import VolumeDocuments

logger = logging.getLogger(__name__)

_MAX_LEVELS = 64
_VERSIONS = tuple(f"0.{minor}" for minor in range(1, 7))  # of OME-NGFF


@dataclass(frozen=True, slots=True)
class ZarrGroup:
    """The documents of a group, and where within the address the group is ("0/" or "").

    index: which of its multiscales
    """

    documents: VolumeDocuments
    address: VolumeAddress
    base: str = ""
    index: int = 0


async def read_zarr3(here: ZarrGroup) -> Multiscale | None:
    """Return the multiscale or the array of Zarr 3 at an address, or None if there is neither."""
    node = await here.documents.look(here.base + "zarr.json")
    if node is None:
        return None
    if node.get("node_type") == "array":
        return _alone(here, v3_array(node), "zarr3", "Zarr v3", ["zarr.json"])
    here.documents.learn_v3(node, here.base)
    attributes = _dict(node.get("attributes"))
    ome = _dict(attributes.get("ome")) or attributes
    if (scales := first_multiscale(ome, here.index)) is not None:

        async def array(path: str) -> ZarrArray | None:
            found = await here.documents.read(f"{here.base}{path}/zarr.json")
            return None if found is None else v3_array(found)

        version = ome.get("version") or scales.get("version")
        return await _pyramid(
            here, scales, "zarr3", version, array=array, is_label="image-label" in ome
        )
    if not here.base and "bioformats2raw.layout" in ome:
        return await read_zarr3(_first_image(here))
    return None


async def read_zarr2(here: ZarrGroup) -> Multiscale | None:
    """Return the multiscale or the array of Zarr 2 at an address, or None if there is neither."""
    attributes = await here.documents.look(here.base + ".zattrs") or {}
    if (scales := first_multiscale(attributes, here.index)) is not None:

        async def array(path: str) -> ZarrArray | None:
            found = await here.documents.read(f"{here.base}{path}/.zarray")
            return None if found is None else v2_array(found, {})

        version, is_label = scales.get("version"), "image-label" in attributes
        return await _pyramid(here, scales, "zarr", version, array=array, is_label=is_label)
    if not here.base and "bioformats2raw.layout" in attributes:
        return await read_zarr2(_first_image(here))
    node = await here.documents.look(here.base + ".zarray")
    if node is None:
        return None
    return _alone(here, v2_array(node, attributes), "zarr", "Zarr v2", [".zattrs", ".zarray"])


def _first_image(here: ZarrGroup) -> ZarrGroup:
    """Return the group "0", in which bioformats2raw puts the first image of a file."""
    return ZarrGroup(here.documents, within(here.address, "0"), "0/")


async def _pyramid(
    here: ZarrGroup,
    scales: dict[str, Any],
    driver: Driver,
    version: object,
    *,
    array: Callable[[str], Awaitable[ZarrArray | None]],
    is_label: bool,
) -> Multiscale:
    """Return a group of levels as OME-NGFF describes it."""
    where = here.address.shown
    datasets = _datasets(scales, where)
    found = await asyncio.gather(*(array(str(each["path"])) for each in datasets))
    groups = ["zarr.json"] if driver == "zarr3" else [".zattrs"]
    own = "zarr.json" if driver == "zarr3" else ".zarray"
    levels: list[Level] = []
    problems: list[str] = []
    for dataset, each in zip(datasets, found, strict=True):
        path = str(dataset["path"])
        if each is None:
            logger.warning("%s has no metadata of its level %s: it is left out", where, path)
            continue
        names = [here.base + name for name in (*groups, f"{path}/{own}")]
        calibration = ome_calibration(scales, dataset, len(each.shape), f"{where}/{path}")
        problems += calibration.problems
        there, sha256 = within(here.address, path), here.documents.sha256(names)
        levels.append(make_level(path, there, driver, each, calibration=calibration, sha256=sha256))
    if not levels:
        raise SourceError(f"{where} names {len(datasets)} levels, and none of them is there.")
    words = printable(str(version), 10) if isinstance(version, str) else ""
    if words and not words.startswith(_VERSIONS):
        problems.append(f"its version {words} is not known here")
    for problem in dict.fromkeys(problems):
        logger.warning("%s: %s", where, problem)
    kind = f"OME-Zarr {words}".rstrip()
    return Multiscale(here.address, kind, tuple(levels), is_label or "/labels/" in where)


def _datasets(scales: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the levels that a document names. Raises SourceError for unusable paths."""
    listed = scales.get("datasets")
    datasets = [d for d in listed if isinstance(d, dict)] if isinstance(listed, list) else []
    if not 0 < len(datasets) <= _MAX_LEVELS:
        raise SourceError(f"{where} names {len(datasets):,} levels.")
    for dataset in datasets:
        path = dataset.get("path")
        if not is_level_path(path):
            raise SourceError(f"{where} names a level {printable(str(path), 80)!r}: no path.")
    return datasets


def _alone(
    here: ZarrGroup, array: ZarrArray, driver: Driver, kind: str, documents: list[str]
) -> Multiscale:
    """Return a single array as a multiscale of one level."""
    sha256 = here.documents.sha256(here.base + name for name in documents)
    calibration = array_calibration(array, here.address.shown, array.shift)
    for problem in calibration.problems:
        logger.warning("%s: %s", here.address.shown, problem)
    name = name_of(here.address)
    return Multiscale(
        here.address,
        kind,
        (make_level(name, here.address, driver, array, calibration=calibration, sha256=sha256),),
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
