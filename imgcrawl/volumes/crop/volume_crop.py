"""Crops: read from their volumes, and stored as files or folders that people open.

A crop is stored in this order: its provenance (``NAME.crop.json``), then the crop itself under its
final name by one rename. So a crop is never there without its provenance, which has its digest:
after a kill the next run adopts what matches, and makes the rest again from the voxels that it has
on the disk.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.records.errors import FULL_DISK, RecordMissing
from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.volume import CubeMember
from imgcrawl.storage.digests import bytes_of
from imgcrawl.storage.origin import Origin
from imgcrawl.volumes.crop import writing
from imgcrawl.volumes.crop.columns import columns
from imgcrawl.volumes.crop.crop_file import WrittenCrop, move_into_place, remove, write_crop
from imgcrawl.volumes.crop.digests import result_sha256
from imgcrawl.volumes.crop.parts import CropParts, remove_parts
from imgcrawl.volumes.crop.provenance import (
    SUFFIX,
    Provenance,
    ProvenanceFile,
    check_crop,
    crop_bytes,
    format_provenance,
    read_provenance,
)
from imgcrawl.volumes.crop.whole_cubes import WholeCubes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from scrapy.crawler import Crawler

    from imgcrawl.crawl.run import Run
    from imgcrawl.records.items import Result, VolumeItem
    from imgcrawl.records.volume import Crop, Raw
    from imgcrawl.storage.base import Storage

logger = logging.getLogger(__name__)


class VolumeCropper:
    """Makes the crops of one run.

    storage: opens the store that FILES_STORE names; called once, only if OUT is not on this machine
    """

    def __init__(self, crawler: Crawler, run: Run, storage: Callable[[], Storage]) -> None:
        self._crawler = crawler
        self._run = run
        self._open_storage = storage
        self._under_way: list[CropParts] = []
        self._cubes = WholeCubes(
            self._keep_voxels, self._is_stored, self._forget, self._find, self._store_members
        )

    async def store(self, item: VolumeItem, crop: Crop) -> Result:
        """Read and store a crop, or adopt what a killed run had stored of it."""
        url = _url(item, crop)
        if self._run.stopping:
            return Missing(Outcome.INTERRUPTED, "the run was stopped", url)
        if item.recovered_file is not None and not item.dataset:
            adopted = await asyncio.to_thread(self._adopt, item.recovered_file, item, crop)
            if adopted is not None:
                remove_parts(self._run.out.parts, item.record_id)
                return self._result(item, adopted)
        try:
            check_crop(crop)
            writing.check_dtype(crop.format, crop.level.dtype)
        except ValueError as error:
            return Missing(Outcome.BAD_URL, str(error), url)
        try:
            made = await self._cubes.require(item, crop) if item.partners else None
            if made is None:
                member = CubeMember(item.record_id, item.path, crop)
                partners = [partner.record_id for partner in item.partners]
                made = await self._store_members([member], partners, url)
            return self._result(item, made.of_member(item.record_id))
        except RecordMissing as error:
            return Missing.of(error, url)
        except (OSError, ValueError) as error:
            if not _is_disk_full(error):
                raise
            return Missing(Outcome.DISK_FULL, str(error), url)

    async def _store_members(
        self, members: Sequence[CubeMember], partners: Sequence[str] = (), url: str = ""
    ) -> Provenance:
        """Read a crop, or all members of a cube that are in one file, and store them.

        partners: the ids of other members, which are in files of their own
        url:      where people would look for the volume, if not where it lies
        Raises RecordMissing, and OSError or ValueError of the disk.
        """
        name = members[0].path
        async with AsyncExitStack() as stack:
            raws = []
            for member in members:
                raw = await stack.enter_async_context(self._voxels(member.record_id, member.crop))
                if absence := raw.chunks.absence:
                    words = (
                        "%s: %s are not there: they are fill value. Type allow_empty=1 if so it is"
                    )
                    logger.warning(words, member.path, absence)
                raws.append(raw)
            target = self._partial_path(Path(raws[0].path))
            ids = [*partners, *(member.record_id for member in members[1:])]

            def store() -> Provenance:
                made = write_crop(members, raws, target, ids, url)
                self._put(made, name)
                for member in members:
                    remove_parts(self._run.out.parts, member.record_id)
                return made.provenance

            return await asyncio.to_thread(store)

    @asynccontextmanager
    async def _voxels(self, record_id: str, crop: Crop) -> AsyncIterator[Raw]:
        """Yield the voxels of a crop on the disk, read now if they are not there yet.

        Raises RecordMissing, and OSError of the disk.
        """

        def begin() -> tuple[CropParts, Raw | None]:
            start = 0 if crop.is_resampled else writing.voxels_start(crop.as_stored())
            parts = CropParts.of(self._run.out.parts, record_id, crop, start)
            parts.prepare(record_id)
            return parts, parts.load()

        parts, raw = await asyncio.to_thread(begin)
        self._under_way.append(parts)
        try:
            await asyncio.to_thread(self._check_room)
            yield await self._read(record_id, parts) if raw is None else raw
        finally:
            self._under_way.remove(parts)

    async def _keep_voxels(self, record_id: str, crop: Crop) -> None:
        """Bring the voxels of a crop to the disk. Raises as `_voxels`."""
        async with self._voxels(record_id, crop):
            pass

    def _is_stored(self, member: CubeMember) -> bool:
        """Return whether a member of a cube is stored as it is wanted. Blocks."""
        final = self._run.out.root / member.path
        try:
            return final.exists() and (
                read_provenance(final.with_name(final.name + SUFFIX)).crop == member.crop
            )
        except ValueError:
            return False

    def _find(self, members: Sequence[CubeMember]) -> Provenance | None:
        """Return the provenance of a stored file that holds just these members, or None. Blocks."""
        found = self._stored_at(self._run.out.root / members[0].path, members[0].path)
        if found is None:
            return None
        held = {member.record_id: (member.crop, member.dataset) for member in found.members()}
        if held != {member.record_id: (member.crop, member.dataset) for member in members}:
            return None
        for member in members:
            self._forget(member.record_id)
        return found

    def _forget(self, record_id: str) -> None:
        """Remove what was read of a member of a cube that will not be. Blocks."""
        remove_parts(self._run.out.parts, record_id)

    def _check_room(self) -> None:
        """Raise OSError if the disk cannot hold the crops that are under way. Blocks."""
        if not self._crawler.settings.getbool("CHECK_FREE_DISK"):
            return
        needed = sum(map(self._bytes_to_come, self._under_way))
        free = self._run.out.free_bytes()
        if needed > free:
            words = f"{needed / 1e9:,.2f} GB are needed, and {free / 1e9:,.2f} GB are free"
            raise OSError(errno.ENOSPC, words)

    def _bytes_to_come(self, parts: CropParts) -> int:
        """Return the bytes that a crop will take of the disk beside what it has."""
        copies = 1 if parts.crop.format == "npy" else 2  # the voxels, and the result made of them
        made = crop_bytes(parts.crop.as_stored()) * copies if parts.crop.is_resampled else 0
        there = parts.allocated()
        with suppress(FileNotFoundError):  # of what is being renamed, too
            there += bytes_of(self._partial_path(parts.raw))
        read = crop_bytes(parts.crop) * (1 if made else copies)
        return max(0, read + made - there)

    def _partial_path(self, raw: Path) -> Path:
        """Return where a result lies until it is complete."""
        return self._run.out.partial / raw.name

    async def _read(self, record_id: str, parts: CropParts) -> Raw:
        """Read the voxels, from where the last run had stopped. Raises RecordMissing."""
        from imgcrawl.volumes.crop.read import read_crop  # noqa: PLC0415 - numpy, 30 MB

        files = self._run.counts.files

        def progress(done: int, size: int) -> None:
            files[record_id] = done, size

        try:
            raw = await read_crop(
                self._crawler, parts.crop, parts.raw, start=parts.start, progress=progress
            )
        except RecordMissing as error:
            if not error.outcome.retryable:
                remove_parts(self._run.out.parts, record_id)
            raise
        finally:
            files.pop(record_id, None)
        await asyncio.to_thread(parts.finish, raw)
        return raw

    def _put(self, made: WrittenCrop, name: str) -> None:
        """Give a crop and its description their places, the description first. Blocks."""
        text = format_provenance(made.provenance)
        self._run.out.write(name + SUFFIX, lambda file: file.write(text))
        if self._run.files.local:
            move_into_place(made.path, self._run.out.root / name, self._run.out.partial)
        else:
            self._upload(made.path, name)

    def _upload(self, made: Path, name: str) -> None:
        """Upload a crop into the object store, file by file, its description first. Blocks."""
        self._storage.put(self._run.out.root / (name + SUFFIX), name + SUFFIX)
        files = sorted(path for path in made.rglob("*") if path.is_file()) or [made]
        for path in files:
            below = path.relative_to(made).as_posix()
            self._storage.put(path, name if below == "." else f"{name}/{below}")
        remove(made)

    @cached_property
    def _storage(self) -> Storage:
        return self._open_storage()

    def _adopt(self, found: Path, item: VolumeItem, crop: Crop) -> Provenance | None:
        """Return the provenance of what a killed run stored, if it is this crop. Blocks."""
        provenance = self._stored_at(found, item.path)
        if provenance is None or provenance.others:
            return None
        is_it = (provenance.record_id, provenance.crop) == (item.record_id, crop)
        return provenance if is_it else None

    @staticmethod
    def _stored_at(found: Path, name: str) -> Provenance | None:
        """Return the provenance beside a file or folder, if it is of these bytes. Blocks."""
        try:
            provenance = read_provenance(found.with_name(found.name + SUFFIX))
            of_disk = ProvenanceFile(name=name, bytes=bytes_of(found), sha256=result_sha256(found))
        except (OSError, ValueError):
            return None
        return provenance if provenance.file == of_disk else None

    @staticmethod
    def _result(item: VolumeItem, provenance: Provenance) -> Stored:
        """Return the result of a crop that is stored; its item gets the columns."""
        assert item.crop is not None
        item.metadata = item.metadata | columns(provenance)
        origin = Origin(_url(item, item.crop), item.crop.level.address.url, "original")
        file = provenance.file
        return replace(
            origin.stored(item.path, file.sha256, file.bytes, tries=1),
            bytes=file.bytes if item.counts_bytes else None,
            format=writing.FORMAT_NAMES[item.crop.format],
            width=item.crop.as_stored().shape[2],
            height=item.crop.as_stored().shape[1],
            downloaded_at=provenance.made_at,
        )


def _url(item: VolumeItem, crop: Crop) -> str:
    return item.urls[0] if item.urls else crop.level.address.url


def _is_disk_full(error: Exception) -> bool:
    """Return whether the disk is full; tensorstore says so in a message only."""
    full = {os.strerror(number) for number in FULL_DISK}
    is_errno = isinstance(error, OSError) and error.errno in FULL_DISK
    return is_errno or any(words in str(error) for words in full)
