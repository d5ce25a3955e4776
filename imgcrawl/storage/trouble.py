"""What to do while an object store is throttled, out of order or not reached: wait.

Each of the store's libraries tries again by itself, for some seconds. What is out for longer, as a
network for a minute, must not cost the records that were fetched meanwhile: their files wait in the
scratch folder, the run draws no new ones since those in flight do not end, and one upload at a time
finds out whether the store is back. So an outage costs few requests, whatever its length.
"""

from __future__ import annotations

import asyncio
import logging
import time
from random import uniform
from typing import TYPE_CHECKING

from imgcrawl.records.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

_FIRST = 0.5  # seconds until the second try, doubled with each
_LONGEST = 15.0


class StoreTrouble:
    """Whether a store has taken nothing of late, and since when.

    patience: seconds of that, after which what is tried fails
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: float | None = None
        self._tries = 0
        self._one = asyncio.Lock()
        self._hurry = asyncio.Event()

    @property
    def lasts(self) -> bool:
        """Whether the store takes nothing at all by now."""
        return self._since is not None

    def hurry(self) -> None:
        """Wait no more: every further failure is one."""
        self._hurry.set()

    async def until_done(self, put: Callable[[], Awaitable[None]]) -> None:
        """Call `put` until the store takes it. Raises StoreError if no waiting helps, or no longer.

        As long as the store takes nothing, only one such call is under way.
        """
        began = time.monotonic()
        while True:
            if self._since is None:
                if await self._tried(put, began):
                    return
                continue
            async with self._one:
                if self._since is not None:
                    await self._pause()
                if self._hurry.is_set():
                    raise StoreError("the run ends while its store takes nothing", passing=True)
                if await self._tried(put, began):
                    return

    def until_put(self, put: Callable[[], None]) -> None:
        """Call `put` until the store takes it, blocking: at the end of a run. Raises StoreError."""
        began = time.monotonic()
        while True:
            try:
                put()
            except StoreError as error:
                if not self._bears(error, began):
                    raise
                time.sleep(self._seconds())
            else:
                return

    async def _tried(self, put: Callable[[], Awaitable[None]], began: float) -> bool:
        try:
            await put()
        except StoreError as error:
            if not self._bears(error, began):
                raise
            return False
        if self._since is not None:
            logger.info("The object store takes files again.")
        self._since, self._tries = None, 0
        return True

    def _bears(self, error: StoreError, began: float) -> bool:
        """Return whether to wait and try again after this error."""
        if not error.passing or self._hurry.is_set():
            return False
        now = time.monotonic()
        if self._since is None:
            self._since = now
            words = "%s. Its files wait on this machine, for up to %.0f s."
            logger.warning(words, str(error).rstrip("."), self._patience)
        # Others may get through all the time where this one never does.
        return now - min(self._since, began) < self._patience

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._hurry.wait(), self._seconds())
        except TimeoutError:
            return

    def _seconds(self) -> float:
        self._tries += 1
        return uniform(0.5, 1) * min(_LONGEST, _FIRST * 2.0**self._tries, self._patience / 4)  # noqa: S311
