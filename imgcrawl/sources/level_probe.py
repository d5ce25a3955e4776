"""One chunk of a level, read for a dry run: whether it can be decoded, and how long that takes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from time import monotonic
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.extras import is_installed
from imgcrawl.records.volume import size_of, size_of_level
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.records.volume import Level, Zyx
    from imgcrawl.sources.copy_sizes import LevelEstimate

_PLACES = ((1, 2), (1, 4), (3, 4), (3, 8), (5, 8))  # of each axis, of what is wanted


@dataclass(frozen=True, slots=True)
class LevelProbe:
    """What reading one chunk of a level has shown.

    shape:     of the chunk, z, y, x; None if none could be read
    seconds:   that it took, with one connection
    is_absent: none of the chunks that were looked at is there
    problem:   why it could not be read, or ""
    is_encoding: whether that is because it is encoded in a way that is not known here
    """

    shape: Zyx | None = None
    seconds: float = 0.0
    is_absent: bool = False
    problem: str = ""
    is_encoding: bool = False

    def describe(self, level: Level) -> str:
        """Return what was seen, as a line for people."""
        if self.problem:
            return f"A chunk of {level.name} cannot be read: {self.problem}."
        if self.shape is None:
            return "No chunk was read: that needs the extra imgcrawl[volumes]."
        if self.is_absent:
            return f"{len(_PLACES)} chunks of {level.name} were looked at, and none is there."
        sides = " x ".join(map(str, self.shape))
        return f"A chunk of {level.name} was read: {sides} voxels in {self.seconds:.2f} s."

    def seconds_for(self, level: Level, size: int, connections: int) -> float | None:
        """Return how long so many bytes of voxels take; None if no chunk was read."""
        if self.shape is None or self.is_absent or not self.seconds:
            return None
        each = size_of(level, self.shape)
        return ceil(size / each) * self.seconds / connections


async def probe_level(
    crawler: Crawler, level: Level, origin: Zyx, shape: Zyx, *, time: int = 0
) -> LevelProbe:
    """Read the chunk in the middle of a box of a level, or another one where that is absent."""
    if not is_installed("volumes"):
        return LevelProbe()
    # tensorstore and numpy are for those who ask.
    from imgcrawl.volumes.crop.block_reader import open_array  # noqa: PLC0415
    from imgcrawl.volumes.crop.read import read_box  # noqa: PLC0415
    from imgcrawl.volumes.crop.read_errors import UnknownEncodingError  # noqa: PLC0415

    time = min(time, level.times - 1)
    found = LevelProbe()
    try:
        await open_array(crawler, level, time)
        for first, sides in _chunks(level, origin, shape).items():
            started = monotonic()
            _, counted = await read_box(crawler, level, first, sides, time=time)
            found = LevelProbe(sides, monotonic() - started, is_absent=not counted.present)
            if counted.present:
                break
    except RecordMissing as error:
        is_encoding = isinstance(error, UnknownEncodingError)
        return LevelProbe(problem=error.message.removesuffix("."), is_encoding=is_encoding)
    return found


def _chunks(level: Level, origin: Zyx, shape: Zyx) -> dict[Zyx, Zyx]:
    """Return the first voxel of chunks in a box, and their shapes."""
    found: dict[Zyx, Zyx] = {}
    for part, of in _PLACES:
        first: list[int] = []
        sides: list[int] = []
        for start, side, low, size, chunk in zip(
            origin, shape, level.offset, level.shape, level.chunk, strict=True
        ):
            at = start + side * part // of
            begin = low + (at - low) // chunk * chunk
            first.append(begin)
            sides.append(min(chunk, low + size - begin))
        found[first[0], first[1], first[2]] = (sides[0], sides[1], sides[2])
    return found


def count_chunks(level: Level, origin: Zyx, shape: Zyx) -> int:
    """Return how many chunks a box of a level touches, of one channel and time."""
    axes = zip(origin, shape, level.offset, level.chunk, strict=True)
    return prod(
        (start + side - 1 - low) // chunk - (start - low) // chunk + 1
        for start, side, low, chunk in axes
    )


def describe_costs(
    level: Level,
    probe: LevelProbe,
    estimate: LevelEstimate,
    *,
    size: int,
    requests: int | None,
    connections: int,
) -> str:
    """Return what a download of a part of a level costs, as a line for people.

    size:     of its voxels in bytes, uncompressed
    requests: how many it takes, None if nobody knows
    """
    words = []
    if estimate.is_measured:
        ratio = estimate.bytes / size_of_level(level)
        voxel = ratio * size_of(level, (1, 1, 1))
        words.append(f"{format_size(int(ratio * size))} come ({voxel:.3g} bytes a voxel)")
    if requests is not None:
        words.append(f"{requests:,} requests")
    if (seconds := probe.seconds_for(level, size, connections)) is not None:
        hours, rest = divmod(round(seconds), 3600)
        words.append(f"{hours}:{rest // 60:02}:{rest % 60:02} hours with {connections} connections")
    return f"{level.name}: about {', '.join(words)}." if words else ""
