"""What a dry run says of volumes: one chunk of each level is read, and the costs are told."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from imgcrawl.records.errors import ArgumentError, SourceError
from imgcrawl.records.items import Expects
from imgcrawl.records.volume import size_of, size_of_level
from imgcrawl.sources.copy_sizes import estimate_size
from imgcrawl.sources.level_probe import count_chunks, describe_costs, probe_level

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from scrapy.crawler import Crawler

    from imgcrawl.records.volume import Level, Zyx
    from imgcrawl.sources.copy_sizes import LevelEstimate
    from imgcrawl.sources.volume_store import VolumeStore

MAX_LEVELS = 16  # that are looked at


class VolumeDryRun:
    """Looks at levels in place of fetching them."""

    def __init__(self, crawler: Crawler, store: VolumeStore, *, time: int = 0) -> None:
        self._crawler, self._store, self._time = crawler, store, time
        self._connections = crawler.settings.getint("VOLUME_CONNECTIONS")

    async def crops(
        self,
        level: Level,
        origin: Zyx,
        shape: Zyx,
        count: int,
        where: tuple[Zyx, Zyx] | None = None,
    ) -> AsyncIterator[Expects]:
        """Yield what boxes of a level cost.

        origin, shape: of one of them
        where:         the box that all of them lie in, if not this one
        Raises ArgumentError for chunks that are encoded in a way that is not known here, and
        SourceError for those that cannot be read.
        """
        probe = await probe_level(
            self._crawler, level, *(where or (origin, shape)), time=self._time
        )
        if probe.is_encoding:
            raise ArgumentError(f"{level.address.shown}, level {level.name}: {probe.problem}")
        if probe.problem:
            raise SourceError(f"{level.address.shown}: {probe.describe(level)}")
        yield Expects(note=probe.describe(level))
        costs = describe_costs(
            level,
            probe,
            await estimate_size(self._store, level),
            size=count * size_of(level, shape),
            requests=count * count_chunks(level, origin, shape),
            connections=self._connections,
        )
        if costs:
            yield Expects(note=costs)

    async def copies(self, estimates: Mapping[Level, LevelEstimate]) -> AsyncIterator[Expects]:
        """Yield what copies of levels cost; what cannot be decoded is copied all the same."""
        for level, estimate in islice(estimates.items(), MAX_LEVELS):
            probe = await probe_level(self._crawler, level, level.offset, level.shape)
            yield Expects(note=probe.describe(level))
            costs = describe_costs(
                level,
                probe,
                estimate,
                size=size_of_level(level),
                requests=estimate.objects,
                connections=self._connections,
            )
            if costs:
                yield Expects(note=costs)
        if len(estimates) > MAX_LEVELS:
            yield Expects(note=f"{len(estimates) - MAX_LEVELS:,} more levels were not looked at.")
