"""What lies behind an address: a volume with its levels, in whichever format its documents are.

Every `Level.sha256` is over the documents it was read from, in the order in which they are named
here: those of the group, then those of the array (see `VolumeDocuments.sha256`).
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.zarr_documents import ZarrArray, n5_array, v2_array, v3_array
from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.records.volume import Driver, Level, Multiscale, VolumeAddress
from imgcrawl.text.redact import printable
from imgcrawl.volumes.metadata.address import name_of, parent, within
from imgcrawl.volumes.metadata.discovery import pictures_below
from imgcrawl.volumes.metadata.documents import VolumeDocuments
from imgcrawl.volumes.metadata.levels import array_calibration, make_level, ome_calibration
from imgcrawl.volumes.metadata.n5 import n5_calibration, n5_datasets
from imgcrawl.volumes.metadata.precomputed import read_info

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imgcrawl.volumes.metadata.documents import Get

logger = logging.getLogger(__name__)

_MAX_LEVELS = 64
_MAX_REDIRECTS = 3
# A path goes into a URL and a file's name: it must not climb out of the group.
_PATH = re.compile(r"[\w.+=-]+(?:/[\w.+=-]+){0,15}\Z", re.ASCII)


class NoMultiscaleError(SourceError):
    """There is no picture at an address. `below`: whether there are some in folders of it."""

    def __init__(self, words: str, *, below: bool) -> None:
        super().__init__(words)
        self.below = below


@dataclass(frozen=True, slots=True)
class _ZarrGroup:
    """Documents that are a group's, and where within the address it is ("0/" or "")."""

    documents: VolumeDocuments
    address: VolumeAddress
    base: str = ""


async def read_multiscale(
    get: Get, address: VolumeAddress, *, resolve: Callable[[str], VolumeAddress] | None = None
) -> Multiscale:
    """Return the multiscale at an address, its finest level first.

    get:     returns the bytes of a document, or None
    resolve: returns the address that a document names, for redirects of precomputed volumes
    An array that is a level of the group above it gives that group's multiscale with this level
    alone, so that its voxel size is known. Raises NoMultiscaleError that says what is there
    instead, SourceError for what cannot be read, and what `get` raises.
    """
    try:
        found = await _picture(get, address, resolve, _MAX_REDIRECTS)
        if found is None:
            raise await _nothing(get, address)
        if found.kind in {"Zarr v2", "Zarr v3", "N5"} and len(found.levels) == 1:
            found = await _as_level(get, found) or found
    except RecordMissing as error:
        raise SourceError(f"{address.shown} cannot be read: {error.message}.") from error
    levels = sorted(found.levels, key=lambda level: -prod(level.shape))
    return replace(found, levels=tuple(levels))


async def _picture(
    get: Get, address: VolumeAddress, resolve: Callable[[str], VolumeAddress] | None, left: int
) -> Multiscale | None:
    here = _ZarrGroup(VolumeDocuments(get, address), address)
    driver = address.driver
    found: Multiscale | None = None
    if driver in {None, "zarr3"}:
        found = await _zarr3(here)
    if found is None and driver in {None, "zarr"}:
        found = await _zarr2(here)
    if found is None and driver in {None, "n5"}:
        found = await _n5(here)
    if found is None and driver in {None, "neuroglancer_precomputed"}:
        info = await here.documents.look("info")
        if info is not None and isinstance(there := info.get("redirect"), str):
            target = _target(there, address, resolve, left)
            return await _picture(get, target, resolve, left - 1)
        if info is not None:
            found = read_info(info, address, here.documents.sha256(["info"]))
    return found


def _target(
    there: str, address: VolumeAddress, resolve: Callable[[str], VolumeAddress] | None, left: int
) -> VolumeAddress:
    """Return where the info of a precomputed volume redirects."""
    if resolve is None or not left:
        raise SourceError(f"{address.shown}/info sends on to {printable(there)}: type that.")
    try:
        return resolve(there)
    except ValueError as error:
        words = f"{address.shown}/info sends on to {printable(there)}"
        raise SourceError(f"{words}, which cannot be read: {error}") from error


# --- Zarr ---


async def _zarr3(here: _ZarrGroup) -> Multiscale | None:
    node = await here.documents.look(here.base + "zarr.json")
    if node is None:
        return None
    if node.get("node_type") == "array":
        return _alone(here, v3_array(node), "zarr3", "Zarr v3", ["zarr.json"])
    here.documents.learn_v3(node, here.base)
    attributes = _dict(node.get("attributes"))
    ome = _dict(attributes.get("ome")) or attributes
    if (scales := _multiscales(ome)) is not None:

        async def array(path: str) -> ZarrArray | None:
            found = await here.documents.read(f"{here.base}{path}/zarr.json")
            return None if found is None else v3_array(found)

        version = ome.get("version") or scales.get("version")
        return await _pyramid(
            here, scales, "zarr3", version, array=array, is_label="image-label" in ome
        )
    if not here.base and "bioformats2raw.layout" in ome:
        return await _zarr3(_first_image(here))
    return None


async def _zarr2(here: _ZarrGroup) -> Multiscale | None:
    attributes = await here.documents.look(here.base + ".zattrs") or {}
    if (scales := _multiscales(attributes)) is not None:

        async def array(path: str) -> ZarrArray | None:
            found = await here.documents.read(f"{here.base}{path}/.zarray")
            return None if found is None else v2_array(found, {})

        version, is_label = scales.get("version"), "image-label" in attributes
        return await _pyramid(here, scales, "zarr", version, array=array, is_label=is_label)
    if not here.base and "bioformats2raw.layout" in attributes:
        return await _zarr2(_first_image(here))
    node = await here.documents.look(here.base + ".zarray")
    if node is None:
        return None
    return _alone(here, v2_array(node, attributes), "zarr", "Zarr v2", [".zattrs", ".zarray"])


def _first_image(here: _ZarrGroup) -> _ZarrGroup:
    """Return the group "0", in which bioformats2raw puts the first image of a file."""
    return _ZarrGroup(here.documents, within(here.address, "0"), "0/")


async def _pyramid(
    here: _ZarrGroup,
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
    levels = []
    for dataset, each in zip(datasets, found, strict=True):
        path = str(dataset["path"])
        if each is None:
            logger.warning("%s has no metadata of its level %s: it is left out", where, path)
            continue
        names = [here.base + name for name in (*groups, f"{path}/{own}")]
        calibration = ome_calibration(scales, dataset, len(each.shape), f"{where}/{path}")
        there, sha256 = within(here.address, path), here.documents.sha256(names)
        levels.append(make_level(path, there, driver, each, calibration=calibration, sha256=sha256))
    if not levels:
        raise SourceError(f"{where} names {len(datasets)} levels, and none of them is there.")
    words = printable(str(version), 10) if isinstance(version, str) else ""
    kind = f"OME-Zarr {words}".rstrip()
    return Multiscale(here.address, kind, tuple(levels), is_label or "/labels/" in where)


def _datasets(scales: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the levels that a document names. Raises SourceError for unusable paths."""
    told = scales.get("datasets")
    datasets = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    if not 0 < len(datasets) <= _MAX_LEVELS:
        raise SourceError(f"{where} names {len(datasets):,} levels.")
    for dataset in datasets:
        path = dataset.get("path")
        if not isinstance(path, str) or not _PATH.match(path) or {".", ".."} & set(path.split("/")):
            raise SourceError(f"{where} names a level {printable(str(path), 80)!r}: no path.")
    return datasets


def _alone(
    here: _ZarrGroup, array: ZarrArray, driver: Driver, kind: str, documents: list[str]
) -> Multiscale:
    """Return a single array as a multiscale of one level."""
    sha256 = here.documents.sha256(here.base + name for name in documents)
    calibration = array_calibration(array, here.address.shown, array.shift)
    name = name_of(here.address)
    return Multiscale(
        here.address,
        kind,
        (make_level(name, here.address, driver, array, calibration=calibration, sha256=sha256),),
    )


# --- N5 ---


async def _n5(here: _ZarrGroup) -> Multiscale | None:
    group = await here.documents.look("attributes.json")
    name = "attributes.json"
    if group is not None and "dimensions" in group:
        array = n5_array(group, {})
        calibration = n5_calibration(group, {}, array, here.address.shown)
        sha256 = here.documents.sha256([name])
        level = make_level(
            name_of(here.address), here.address, "n5", array, calibration=calibration, sha256=sha256
        )
        return Multiscale(here.address, "N5", (level,))
    if group is None:
        return None
    levels: list[Level] = []
    for path, above in await n5_datasets(here.documents, group, here.address.shown):
        node = await here.documents.read(f"{path}/{name}")
        if node is None:
            logger.warning("%s has no level %s: it is left out", here.address.shown, path)
            continue
        array = n5_array(node, above)
        there = within(here.address, path)
        finest = levels[0].voxel_nm if levels and levels[0].name == "s0" else None
        calibration = n5_calibration(node, above, array, there.shown, finest=finest)
        sha256 = here.documents.sha256([name, f"{path}/{name}"])
        levels.append(make_level(path, there, "n5", array, calibration=calibration, sha256=sha256))
    return Multiscale(here.address, "N5", tuple(levels)) if levels else None


# --- what stands around ---


async def _as_level(get: Get, alone: Multiscale) -> Multiscale | None:
    """Return the multiscale that an array is a level of, with that level only."""
    above = parent(alone.address)
    if above is None:
        return None
    try:
        whole = await _picture(get, above, None, 0)
    except (RecordMissing, SourceError):
        return None  # whatever that is, the array itself is good
    levels = [level for level in (whole.levels if whole else ()) if level.address == alone.address]
    return replace(whole, levels=tuple(levels)) if whole and levels else None


async def _nothing(get: Get, address: VolumeAddress) -> NoMultiscaleError:
    """Return the error for an address without a multiscale, with those below it."""
    found = await pictures_below(get, address)
    if not found:
        words = (
            f"There is no volume at {address.shown}: none of zarr.json, .zattrs, .zarray, "
            "attributes.json and info can be read there. Type the address of a folder that has one."
        )
        return NoMultiscaleError(words, below=False)
    shown = "\n".join(f"  -a path={path}" for path in found[:20])
    more = f"\n  ... and {len(found) - 20} more" if len(found) > 20 else ""
    words = (
        f"{address.shown} holds pictures in folders of it. Type one of these too:\n{shown}{more}"
    )
    return NoMultiscaleError(words, below=True)


def _multiscales(attributes: dict[str, Any]) -> dict[str, Any] | None:
    scales = attributes.get("multiscales")
    first = scales[0] if isinstance(scales, list) and scales else None
    return first if isinstance(first, dict) else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
