"""How large a copy of a level will be: its number of objects, times the size of a few of them."""

from __future__ import annotations

from itertools import islice
from math import prod
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING
from urllib.parse import quote

from imgcrawl.records.errors import NoAnswerError, RecordMissing, SourceError
from imgcrawl.records.volume import size_of_level
from imgcrawl.text.sizes import format_size
from imgcrawl.volumes.copy.grid import grids_below, parse_object, scale_grids
from imgcrawl.volumes.metadata.address import beside
from imgcrawl.volumes.metadata.precomputed import scale_at

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

    from imgcrawl.records.volume import Level, VolumeAddress
    from imgcrawl.sources.volume_store import VolumeStore
    from imgcrawl.volumes.copy.grid import ChunkGrid

_PROBES = ((1, 2), (1, 4), (3, 4), (3, 8), (5, 8))  # of each axis: where an object is looked at
_MAX_FACTOR = 1.2  # of what the voxels have: beyond, the objects are not what they seem


async def estimate_size(store: VolumeStore, level: Level) -> int:
    """Return the bytes that a copy of a level will have, about.

    Where no object can be looked at it is the size of the voxels, uncompressed.
    """
    whole = size_of_level(level)
    try:
        found = await _grid(store, level)
        if found is None:
            return whole
        base, grid = found
        names = dict.fromkeys(grid.key(tuple(n * a // b for n in grid.counts)) for a, b in _PROBES)
        sizes = [
            await store.object_size(base + quote(name, safe="/"))
            for name in islice(names, len(_PROBES))
        ]
    except NoAnswerError:
        raise
    except (SourceError, RecordMissing, ValueError):
        return whole
    there = [size for size in sizes if size is not None]
    if not there:
        return whole
    # Objects at the far edges are as large as others, or smaller.
    return min(int(sum(there) / len(sizes) * prod(grid.counts)), int(whole * _MAX_FACTOR))


async def _grid(store: VolumeStore, level: Level) -> tuple[str, ChunkGrid] | None:
    """Return where the objects of a level lie, and their grid."""
    if level.scale is not None:
        there = beside(level.address, level.name)
        info = parse_object(await store.document(f"{level.address.url}info")) or {}
        scale = scale_at(info, level.address, there)
        return None if scale is None else (there.url, next(iter(scale_grids(scale))))

    async def read(name: str) -> bytes | None:
        return None if "/" in name else await store.document(level.address.url + name)

    grids = await grids_below(read, "", level.address.separator)
    return (level.address.url, grids[0][1]) if grids else None


def lack_of_room(settings: BaseSettings, size: int, address: VolumeAddress) -> str:
    """Return why the disk of OUT cannot hold a copy of so many bytes, or "" if it can. Blocks."""
    elsewhere = settings["FILES_STORE"] or settings["OUT_STORE"]
    if elsewhere or not settings.getbool("CHECK_FREE_DISK"):
        return ""
    out = Path(settings["OUT"]).absolute()
    there = next(folder for folder in (out, *out.parents) if folder.is_dir())
    free = disk_usage(there).free
    if size <= free:
        return ""
    return (
        f"A copy of {address.shown} has about {format_size(size)}, and the disk of {out} has "
        f"{format_size(free)} free. Type fewer levels, or another -a out=DIR; "
        "-s CHECK_FREE_DISK=0 turns this check off."
    )
