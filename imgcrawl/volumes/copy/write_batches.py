"""Small blocking jobs, in a thread: as many in a row as come within some milliseconds.

A hop into a thread and back costs more than to hash and write an object of some kilobytes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Waiting = list[tuple[Callable[[], Any], asyncio.Future[Any]]]

ENOUGH = 8  # jobs that are not kept waiting for more
PAUSE = 0.002  # seconds that a job may wait for others

T = TypeVar("T")


class WriteBatches:
    """Jobs of one event loop; one batch of them is under way at a time."""

    def __init__(self) -> None:
        self._waiting: Waiting = []
        self._is_running = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, job: Callable[[], T]) -> T:
        """Return what a job returns, or raise what it raises; it runs in a thread."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T] = loop.create_future()
        self._waiting.append((job, ended))
        if not self._is_running:
            if len(self._waiting) >= ENOUGH:
                self._begin(loop)
            elif self._timer is None:
                self._timer = loop.call_later(PAUSE, self._begin, loop)
        return await ended

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_running = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []

        def ended(run: asyncio.Future[list[tuple[Any, BaseException | None]]]) -> None:
            if self._waiting:
                self._begin(loop)
            else:
                self._is_running = False
            failed = asyncio.CancelledError() if run.cancelled() else run.exception()
            results = [(None, failed)] * len(batch) if failed else run.result()
            for (_, future), (value, error) in zip(batch, results, strict=True):
                if future.done():
                    continue  # whoever asked is gone
                if error is None:
                    future.set_result(value)
                else:
                    future.set_exception(error)

        jobs = [job for job, _ in batch]
        loop.run_in_executor(None, _run_all, jobs).add_done_callback(ended)


def _run_all(jobs: list[Callable[[], Any]]) -> list[tuple[Any, BaseException | None]]:
    results: list[tuple[Any, BaseException | None]] = []
    for job in jobs:
        try:
            results.append((job(), None))
        except BaseException as error:
            results.append((None, error))
    return results
