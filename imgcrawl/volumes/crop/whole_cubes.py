"""Cubes of several layers: the voxels of all members are on the disk before any of them is stored.

So a pair is stored together or missing together, however far its layers can be read. Where all are
in one file, it is made once, for whichever member asks first.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.volume import CubeMember

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imgcrawl.records.items import VolumeItem
    from imgcrawl.records.volume import Crop
    from imgcrawl.volumes.crop.provenance import Provenance


@dataclass(slots=True)
class _ReadCube:
    """What came of a cube: by id, why a member cannot be; and the file of all, if that is made."""

    problems: dict[str, RecordMissing]
    made: Provenance | None = None


@dataclass(slots=True)
class _Reading:
    """A cube whose members are read, and how many of them have not asked yet."""

    task: asyncio.Task[_ReadCube]
    left: int


class WholeCubes:
    """The cubes of a run that are under way.

    read:      brings the voxels of a member to the disk; raises RecordMissing
    is_stored: returns whether a member is stored already; blocks
    forget:    removes what was read of a member, since the cube will not be; blocks
    find:      returns the provenance of a file that holds members already, or None; blocks
    make:      stores members whose voxels are on the disk in one file; raises as `read`
    """

    def __init__(
        self,
        read: Callable[[str, Crop], Awaitable[None]],
        is_stored: Callable[[CubeMember], bool],
        forget: Callable[[str], None],
        find: Callable[[list[CubeMember]], Provenance | None],
        make: Callable[[list[CubeMember]], Awaitable[Provenance]],
    ) -> None:
        self._read, self._is_stored, self._forget = read, is_stored, forget
        self._find, self._make = find, make
        self._readings: dict[str, _Reading] = {}

    async def require(self, item: VolumeItem, crop: Crop) -> Provenance | None:
        """Return once all members of an item's cube are on the disk; if in one file, stored there.

        Return the provenance of that file.
        Raises RecordMissing if one of them cannot be had: the item's own reason, or its partner's.
        """
        key = item.shard_key
        reading = self._readings.get(key)
        if reading is None:
            own = CubeMember(item.record_id, item.path, crop, item.dataset)
            members = [own, *item.partners]
            if item.dataset:  # in the same order, whichever asks first: the same bytes
                members = [replace(member, path=item.path) for member in members]
                members.sort(key=lambda member: member.record_id)
            task = asyncio.create_task(self._read_all(members))
            reading = self._readings[key] = _Reading(task, len(members))
        try:
            read = await asyncio.shield(reading.task)
        finally:
            reading.left -= 1
            if not reading.left or reading.task.cancelled():
                self._readings.pop(key, None)
        for record_id, error in read.problems.items():
            if record_id == item.record_id:
                raise error
            words = f"its partner {record_id}: {error.message}"
            raise RecordMissing(error.outcome, words, error.status, tries=error.tries)
        return read.made

    async def _read_all(self, members: list[CubeMember]) -> _ReadCube:
        """Read members until one cannot be read; return it with the reason."""
        in_one = bool(members[0].dataset)
        if in_one and (found := await asyncio.to_thread(self._find, members)) is not None:
            return _ReadCube({}, found)
        for member in members:
            if not in_one and await asyncio.to_thread(self._is_stored, member):
                continue
            try:
                await self._read(member.record_id, member.crop)
            except RecordMissing as error:
                if not error.outcome.retryable:
                    for each in members:
                        await asyncio.to_thread(self._forget, each.record_id)
                return _ReadCube({member.record_id: error})
        return _ReadCube({}, await self._make(members) if in_one else None)
