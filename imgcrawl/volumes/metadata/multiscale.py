"""The multiscale at an address: a volume with its levels, in any format of documents.

Every `Level.sha256` is over the documents it was read from, in this order: those of the group, then
those of the array (see `VolumeDocuments.sha256`).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.records.volume import Multiscale
from imgcrawl.text.redact import printable
from imgcrawl.volumes.metadata.discovery import documents_at, pictures_below
from imgcrawl.volumes.metadata.documents import VolumeDocuments
from imgcrawl.volumes.metadata.folders import parent, within
from imgcrawl.volumes.metadata.n5 import read_n5
from imgcrawl.volumes.metadata.precomputed import read_info
from imgcrawl.volumes.metadata.webknossos import webknossos_layer, webknossos_level
from imgcrawl.volumes.metadata.zarr import ZarrGroup, read_zarr2, read_zarr3

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.records.volume import Level, VolumeAddress
    from imgcrawl.volumes.metadata.documents import Get

logger = logging.getLogger(__name__)

_MAX_REDIRECTS = 3
_OCDBT = b"\x0c\xdb\x3a\x2a"  # the manifest of a database: tensorstore's driver/ocdbt/format


class NoMultiscaleError(SourceError):
    """There is no multiscale at an address. `below`: whether its folders have some."""

    def __init__(self, words: str, *, below: bool) -> None:
        super().__init__(words)
        self.below = below


async def read_multiscale(
    get: Get,
    address: VolumeAddress,
    *,
    resolve: Callable[[str], VolumeAddress] | None = None,
    index: int = 0,
) -> Multiscale:
    """Return the multiscale at an address, its finest level first.

    get:     returns the bytes of a document, or None
    resolve: returns the address that a document names, for redirects of precomputed volumes
    index:   which of several multiscales in the same group
    An array that is a level of the group above it gives that group's multiscale with this level
    alone, so that its voxel size is known. Raises NoMultiscaleError that says what is there
    instead, SourceError for what cannot be read, and what `get` raises.
    """
    try:
        found = await _find_multiscale(get, address, resolve, _MAX_REDIRECTS, index)
        found = found or await _layer_of_dataset(get, address)
        if found is None:
            raise await _no_multiscale(get, address)
        if found.kind in {"Zarr v2", "Zarr v3", "N5"} and len(found.levels) == 1:
            found = await _as_level(get, found) or await _in_dataset(get, found) or found
    except RecordMissing as error:
        raise SourceError(f"{address.shown} cannot be read: {error.message}.") from error
    levels = sorted(found.levels, key=lambda level: -prod(level.shape))
    return replace(found, levels=tuple(levels))


async def _find_multiscale(
    get: Get,
    address: VolumeAddress,
    resolve: Callable[[str], VolumeAddress] | None,
    left: int,
    index: int = 0,
) -> Multiscale | None:
    here = ZarrGroup(VolumeDocuments(get, address), address, index=index)
    driver = address.driver
    found: Multiscale | None = None
    if driver in {None, "zarr3"}:
        found = await read_zarr3(here)
    if found is None and driver in {None, "zarr"}:
        found = await read_zarr2(here)
    if found is None and driver in {None, "n5"}:
        found = await read_n5(here.documents, address)
    if found is None and driver in {None, "neuroglancer_precomputed"}:
        info = await here.documents.look("info")
        if info is not None and isinstance(there := info.get("redirect"), str):
            target = _target(there, address, resolve, left)
            return await _find_multiscale(get, target, resolve, left - 1)
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


async def _as_level(get: Get, alone: Multiscale) -> Multiscale | None:
    """Return the multiscale that an array is a level of, with that level only."""
    above = parent(alone.address)
    if above is None:
        return None
    try:
        whole = await _find_multiscale(get, above, None, 0)
    except (RecordMissing, SourceError):
        return None  # the array itself is good
    levels = [level for level in (whole.levels if whole else ()) if level.address == alone.address]
    return replace(whole, levels=tuple(levels)) if whole and levels else None


async def _in_dataset(get: Get, alone: Multiscale) -> Multiscale | None:
    """Return an array with what a dataset of WEBKNOSSOS says of it, if it is one of such."""
    try:
        level = await webknossos_level(get, alone.levels[0])
    except (RecordMissing, SourceError):
        return None  # the array itself is good
    return None if level is None else replace(alone, levels=(level,))


async def _layer_of_dataset(get: Get, address: VolumeAddress) -> Multiscale | None:
    """Return a layer of a dataset of WEBKNOSSOS, or None if it is none. Raises as `get`."""
    layer = await webknossos_layer(get, address)
    if layer is None:
        return None
    levels: list[Level] = []
    kind = ""
    for path in layer[0]:
        try:
            array = await _find_multiscale(get, within(address, path), None, 0)
        except ValueError:
            array = None
        if array is None:
            logger.warning("%s has no array %s: it is left out", address.shown, printable(path))
            continue
        level = await webknossos_level(get, array.levels[0]) or array.levels[0]
        levels.append(replace(level, name=path))
        kind = array.kind
    return Multiscale(address, kind, tuple(levels), layer[1]) if levels else None


async def _container(get: Get, address: VolumeAddress) -> str:
    """Return what opens the file or the folder at an address: zip, ocdbt, or "" for neither."""
    if address.url.lower().endswith(".zip/"):
        return "zip"
    try:
        manifest = await get(f"{address.url}manifest.ocdbt")
    except (RecordMissing, SourceError):
        return ""
    # Some servers answer any name with a page.
    return "ocdbt" if manifest is not None and manifest.startswith(_OCDBT) else ""


async def _no_multiscale(get: Get, address: VolumeAddress) -> NoMultiscaleError:
    """Return the error for an address without a multiscale, with those below it."""
    found = await pictures_below(get, address)
    there = [] if found else await documents_at(get, address)
    if there:
        words = (
            f"{address.shown} is a group ({', '.join(there)} can be read there) that names no "
            "picture, and no list of its folders shows one. Type the address of a picture in it."
        )
        return NoMultiscaleError(words, below=False)
    inner = "" if found else await _container(get, address)
    if inner:
        words = f"{address.shown} holds a store within it: type {address.shown}|{inner}:"
        return NoMultiscaleError(words, below=False)
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
