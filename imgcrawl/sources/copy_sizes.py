"""How large a copy of a level will be: its number of objects, times the size of a few of them.

Of a group of very many levels the first ones are looked at, and the others taken to be like them.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from imgcrawl.volumes.metadata.folders import beside
from imgcrawl.volumes.metadata.precomputed import scale_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrapy.settings import BaseSettings

    from imgcrawl.records.volume import Level
    from imgcrawl.sources.volume_store import VolumeStore
    from imgcrawl.volumes.copy.grid import ChunkGrid

_PROBES = ((1, 2), (1, 4), (3, 4), (3, 8), (5, 8))  # of each axis: where an object is looked at
_MAX_FACTOR = 1.2  # of what the voxels have: beyond, the objects are not what they seem
_LOOKED_AT = 8  # levels


@dataclass(frozen=True, slots=True)
class LevelEstimate:
    """What a copy of a level will have, about.

    bytes:       as stored; those of the voxels, uncompressed, unless `is_measured`
    objects:     that are asked for; None where the documents do not tell
    is_measured: whether a few objects were looked at
    """

    bytes: int
    objects: int | None = None
    is_measured: bool = False


async def estimate_size(store: VolumeStore, level: Level) -> LevelEstimate:
    """Return what a copy of a level will have. Raises NoAnswerError."""
    whole = size_of_level(level)
    try:
        found = await _grid(store, level)
        if found is None:
            return LevelEstimate(whole)
        base, grid = found
        count = prod(grid.counts)
        names = dict.fromkeys(grid.key(tuple(n * a // b for n in grid.counts)) for a, b in _PROBES)
        sizes = [
            await store.object_size(base + quote(name, safe="/"))
            for name in islice(names, len(_PROBES))
        ]
    except NoAnswerError:
        raise
    except (SourceError, RecordMissing, ValueError):
        return LevelEstimate(whole)
    there = [size for size in sizes if size is not None]
    if not there:
        return LevelEstimate(whole, count)
    # Objects at the far edges are as large as others, or smaller.
    most = int(whole * _MAX_FACTOR)
    return LevelEstimate(min(int(sum(there) / len(sizes) * count), most), count, is_measured=True)


async def estimate_sizes(store: VolumeStore, levels: Iterable[Level]) -> list[LevelEstimate]:
    """Return what copies of levels will have. Raises NoAnswerError."""
    found: list[LevelEstimate] = []
    stored = voxels = 0
    for level in levels:
        whole = size_of_level(level)
        if len(found) < _LOOKED_AT:
            found.append(await estimate_size(store, level))
            stored, voxels = stored + found[-1].bytes, voxels + whole
        else:
            found.append(LevelEstimate(whole * stored // max(1, voxels)))
    return found


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


def lack_of_room(settings: BaseSettings, out: str | Path | None, size: int, what: str) -> str:
    """Return why a disk cannot hold so many bytes, or "" if it can. Blocks.

    out:  where they are to be, as it was asked for: a dry run has an OUT of its own
    what: has so many bytes ("A copy of s3://bucket/a.zarr")
    """
    asked = str(out or settings["OUT"])
    elsewhere = settings["FILES_STORE"] or settings["OUT_STORE"] or "://" in asked
    if elsewhere or not settings.getbool("CHECK_FREE_DISK"):
        return ""
    folder = Path(asked).absolute()
    there = next(each for each in (folder, *folder.parents) if each.is_dir())
    free = disk_usage(there).free
    if size <= free:
        return ""
    return (
        f"{what} has about {format_size(size)}, and the disk of {folder} has "
        f"{format_size(free)} free. Type less, or another -a out=DIR; "
        "-s CHECK_FREE_DISK=0 turns this check off."
    )
