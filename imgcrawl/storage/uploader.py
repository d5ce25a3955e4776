"""Upload files to a `RemoteDirectory` from the event loop: several at once, failures told."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import StoreError
from imgcrawl.storage.remote_directory import RemoteDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 5  # of the store, each after its library's own tries, that end the run
_TOGETHER = 64  # files of one folder
_SHARE = 20  # a checkpoint may take one part in so many of the time


class Uploader:
    """Ships files of records, takes them back, and puts the ledger now and then.

    failed: called with a sentence where nothing more can be stored
    Raises StoreError, and OutputError where another run has the store's lock.
    """

    def __init__(
        self, out: OutputDirectory, settings: Mapping[str, Any], failed: Callable[[str], None]
    ) -> None:
        self._outlet = RemoteDirectory(out, settings)
        self._every = float(settings["STORE_CHECKPOINT"])
        self._failed = failed
        self._threads = ThreadPoolExecutor(max(1, int(settings["STORE_CONNECTIONS"])), "store")
        self._removals: list[Future[None]] = []
        self._in_a_row = 0
        self._checkpoints: asyncio.Task[None] | None = None
        self.left_behind = False  # whether a file lies here still that the next run must look for
        self._outlet.begin()

    @property
    def after_death(self) -> bool:
        """Whether the run before this one was killed."""
        return self._outlet.lease.after_death

    def size(self, name: str) -> int | None:
        """The bytes of a file, or a folder, that is in the store; None where there is none."""
        return self._outlet.listing.size(name)

    def has_sizes(self, name: str, sizes: Iterable[str]) -> bool:
        """Whether a stored picture has its smaller copies."""
        folders = {
            key.split("/", 2)[1] for key in self._outlet.listing.of_record(name) if key != name
        }
        return folders >= set(sizes)

    async def start(self, tables: Callable[[], Mapping[str, int]]) -> None:
        """List what is there, and put checkpoints from now on. Raises StoreError.

        tables: the tables' sizes in bytes, once what is to be seen in them has been written
        """
        loop = asyncio.get_running_loop()
        self._outlet.lease.keep(self._lost_soon(loop))
        logger.info("Listing %s", self._outlet.address)
        count = await self._call(self._outlet.take_stock)
        logger.info("%s objects are there.", f"{count:,}")
        self._checkpoints = loop.create_task(self._keep_on(tables))

    async def ship(self, names: Iterable[str], metadata: Mapping[str, str]) -> None:
        """Move files, or folders, of the scratch folder into the store. Raises StoreError."""
        try:
            for name in names:
                files = await self._call(self._outlet.files, name)
                for begin in range(0, len(files), _TOGETHER):
                    some = files[begin : begin + _TOGETHER]
                    calls = (self._call(self._outlet.ship, file, metadata) for file in some)
                    await asyncio.gather(*calls)
                await self._call(self._outlet.clear, name)
        except StoreError as error:
            self.left_behind = True
            self._in_a_row += 1
            if error.hopeless or self._in_a_row >= FAILURES_IN_A_ROW:
                self._failed(str(error))
            raise
        self._in_a_row = 0

    async def fetch(self, names: Iterable[str]) -> Path | None:
        """Bring back the first of some files that the store has; None without one."""
        try:
            found: Path | None = await self._call(self._outlet.fetch, list(names))
        except StoreError as error:
            logger.warning("What the last run stored cannot be read: %s", error)
            return None
        return found

    def discard_soon(self, name: str) -> None:
        """Have a record's files removed from the store."""
        self._removals = [each for each in self._removals if not each.done()]
        self._removals.append(self._threads.submit(self._discard, name))

    async def discard(self, name: str) -> None:
        """Remove a record's files from the store."""
        await self._call(self._discard, name)

    def end(self) -> None:
        """Finish what is under way, and put all that is left. Raises StoreError."""
        self._stop()
        # What could not be shipped waits here for the next run, which looks at it first.
        self._outlet.end(files=not self.left_behind)

    def close(self) -> None:
        """Give the store's lock back. Raises StoreError."""
        self._stop()
        self._outlet.close()

    def _stop(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.cancel()
        self._threads.shutdown()

    def _lost_soon(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        def lost() -> None:
            loop.call_soon_threadsafe(self._lost)

        return lost

    def _lost(self) -> None:
        self._failed(self._outlet.lease.lost or "")

    async def _keep_on(self, tables: Callable[[], Mapping[str, int]]) -> None:
        pause = self._every
        while True:
            await asyncio.sleep(pause)
            try:
                took: float = await self._call(self._outlet.checkpoint, tables())
            except StoreError as error:
                logger.warning("The ledger could not be put into the store: %s", error)
                if error.hopeless:
                    self._failed(str(error))
            else:
                # A ledger of gigabytes goes up less often.
                pause = max(self._every, took * _SHARE)

    def _discard(self, name: str) -> None:
        try:
            self._outlet.discard(name)
        except StoreError as error:
            logger.warning("%s is no record any more and could not be removed: %s", name, error)

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
