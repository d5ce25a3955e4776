"""Cubes of several layers: the voxels of all members are on the disk before any of them is stored.

So a pair is stored together or missing together, however far its layers can be read.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.volume import CubeMember

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imgcrawl.records.items import VolumeItem
    from imgcrawl.records.volume import Crop


@dataclass(slots=True)
class _Reading:
    """A cube whose members are read: by id, why one cannot be; and who has not asked yet."""

    task: asyncio.Task[dict[str, RecordMissing]]
    left: int


class WholeCubes:
    """The cubes of a run that are under way.

    read:      brings the voxels of a member to the disk; raises RecordMissing
    is_stored: returns whether a member is stored already; blocks
    forget:    removes what was read of a member, since the cube will not be; blocks
    """

    def __init__(
        self,
        read: Callable[[str, Crop], Awaitable[None]],
        is_stored: Callable[[CubeMember], bool],
        forget: Callable[[str], None],
    ) -> None:
        self._read, self._is_stored, self._forget = read, is_stored, forget
        self._readings: dict[str, _Reading] = {}

    async def require(self, item: VolumeItem, crop: Crop) -> None:
        """Return once all members of an item's cube are on the disk.

        Raises RecordMissing if one of them cannot be had: the item's own reason, or its partner's.
        """
        key = item.shard_key
        reading = self._readings.get(key)
        if reading is None:
            members = [CubeMember(item.record_id, item.path, crop), *item.partners]
            task = asyncio.create_task(self._read_all(members))
            reading = self._readings[key] = _Reading(task, len(members))
        try:
            problems = await asyncio.shield(reading.task)
        finally:
            reading.left -= 1
            if not reading.left or reading.task.cancelled():
                self._readings.pop(key, None)
        for record_id, error in problems.items():
            if record_id == item.record_id:
                raise error
            words = f"its partner {record_id}: {error.message}"
            raise RecordMissing(error.outcome, words, error.status, tries=error.tries)

    async def _read_all(self, members: list[CubeMember]) -> dict[str, RecordMissing]:
        """Read members until one cannot be read; return it with the reason."""
        for member in members:
            if await asyncio.to_thread(self._is_stored, member):
                continue
            try:
                await self._read(member.record_id, member.crop)
            except RecordMissing as error:
                if not error.outcome.retryable:
                    for each in members:
                        await asyncio.to_thread(self._forget, each.record_id)
                return {member.record_id: error}
        return {}
