"""Uploads to a `RemoteDirectory` from the event loop: several files at once."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import StoreError
from imgcrawl.storage.remote_directory import RemoteDirectory
from imgcrawl.storage.trouble import StoreTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 5  # refusals of the store that no waiting helps against, which end the run
_AT_ONCE = 64  # files of one folder
_SHARE = 20  # a checkpoint may take one part in so many of the time


class Uploader:
    """The threads that upload files of records, fetch them back, and put the ledger at intervals.

    failed: called with a sentence if nothing more can be stored
    Raises StoreError, and OutputError if another run has the store's lock.
    """

    def __init__(
        self, out: OutputDirectory, settings: Mapping[str, Any], failed: Callable[[str], None]
    ) -> None:
        self._remote = RemoteDirectory(out, settings)
        self._every = float(settings["STORE_CHECKPOINT"])
        self._failed = failed
        self._threads = ThreadPoolExecutor(max(1, int(settings["STORE_CONNECTIONS"])), "store")
        self._in_a_row = 0
        self._trouble = StoreTrouble(float(settings["STORE_PATIENCE"]))
        self._checkpoints: asyncio.Task[None] | None = None
        self.pending = False  # whether a file is left here that the next run must look for
        self._remote.begin()

    @property
    def after_death(self) -> bool:
        """Whether the run before this one was killed."""
        return self._remote.lease.after_death

    @property
    def dead_since(self) -> str:
        """When the run before this one began, if it was killed: UTC, ISO 8601; else empty."""
        return self._remote.lease.dead_since

    def size(self, name: str) -> int | None:
        """Return the bytes of a file, or a folder, of the store; None if there is none."""
        return self._remote.listing.size(name)

    def has_sizes(self, name: str, sizes: Iterable[str]) -> bool:
        """Return whether a stored picture has its smaller copies."""
        folders = {
            key.split("/", 2)[1] for key in self._remote.listing.of_record(name) if key != name
        }
        return folders >= set(sizes)

    async def start(self, tables: Callable[[], Mapping[str, int]]) -> None:
        """List the store, and put checkpoints from now on. Raises StoreError.

        tables: writes the rows that wait, and returns the tables' sizes in bytes
        """
        loop = asyncio.get_running_loop()
        self._remote.lease.keep(self._lost_soon(loop))
        logger.info("Listing %s", self._remote.address)
        count = await self._call(self._remote.list_files)
        logger.info("%s objects are there.", f"{count:,}")
        self._checkpoints = loop.create_task(self._put_checkpoints(tables))

    async def upload(self, names: Iterable[str], metadata: Mapping[str, str]) -> None:
        """Move files, or folders, of the scratch folder into the store. Raises StoreError."""
        try:
            for name in names:
                files = await self._call(self._remote.files, name)
                for begin in range(0, len(files), _AT_ONCE):
                    some = files[begin : begin + _AT_ONCE]
                    await asyncio.gather(*(self._upload(file, metadata) for file in some))
                await self._call(self._remote.clear, name)
        except StoreError as error:
            self.pending = True
            self._in_a_row += 1
            if error.passing and self._trouble.lasts:
                here = f"What is not there yet is kept on this machine ({self._remote.out.root})"
                self._failed(f"{str(error).rstrip('.')}. {here}; the same command goes on.")
            elif error.hopeless or self._in_a_row >= FAILURES_IN_A_ROW:
                self._failed(str(error))
            raise
        self._in_a_row = 0

    async def _upload(self, file: str, metadata: Mapping[str, str]) -> None:
        await self._trouble.until_done(lambda: self._call(self._remote.upload, file, metadata))

    def hurry(self) -> None:
        """Wait no longer for a store that takes nothing: the run is to end."""
        self._trouble.hurry()

    async def fetch(self, names: Iterable[str]) -> Path | None:
        """Fetch the first of some files that the store has, and return its path, if any."""
        try:
            found: Path | None = await self._call(self._remote.fetch, list(names))
        except StoreError as error:
            logger.warning("What the last run stored cannot be read: %s", error)
            return None
        return found

    def discard_soon(self, name: str, *, copies: bool = True) -> None:
        """Remove a record's file, and its smaller copies, from the store in the background."""
        self._threads.submit(self._discard, name, copies=copies)

    async def discard(self, name: str) -> None:
        """Remove a record's files from the store."""
        await self._call(self._discard, name)

    def end(self) -> None:
        """Finish the uploads under way, and put everything that is left. Raises StoreError."""
        self._stop()
        # Files that could not be uploaded wait here for the next run, which takes them first.
        self._trouble.until_put(lambda: self._remote.end(files=not self.pending))

    def close(self) -> None:
        """Release the store's lock. Raises StoreError."""
        self._stop()
        self._remote.close()

    def _stop(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.cancel()
        self._threads.shutdown()

    def _lost_soon(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        def lost() -> None:
            loop.call_soon_threadsafe(self._lost)

        return lost

    def _lost(self) -> None:
        self._failed(self._remote.lease.lost or "")

    async def _put_checkpoints(self, tables: Callable[[], Mapping[str, int]]) -> None:
        pause = self._every
        while True:
            await asyncio.sleep(pause)
            try:
                took: float = await self._call(self._remote.checkpoint, tables())
            except StoreError as error:
                logger.warning("The ledger could not be put into the store: %s", error)
                if error.hopeless:
                    self._failed(str(error))
            else:
                # A ledger of gigabytes goes up less often.
                pause = max(self._every, took * _SHARE)

    def _discard(self, name: str, *, copies: bool = True) -> None:
        try:
            self._remote.discard(name, copies=copies)
        except StoreError as error:
            logger.warning("%s is no record any more and could not be removed: %s", name, error)

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
