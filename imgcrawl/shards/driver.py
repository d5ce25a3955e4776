"""Hands shards to a cluster, no more at once than the rates were divided by, and follows them."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from distributed import KilledWorker

from imgcrawl.progress.row import CrawlPhase, ProgressRow
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.shards.task import run_shard, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgcrawl.progress.display import ProgressDisplay
    from imgcrawl.shards.task import ShardTask

RETRIES = 3  # of a shard, by the engine
_ROWS = 200  # shards, of which each has a row in the display all the time
_POLL = 0.25  # seconds
_REPEAT_STOP = 2.0  # seconds between calls to stop; a worker may have been started since the last
_PHASES = {ExitStatus.COMPLETE: CrawlPhase.DONE, ExitStatus.SOME_MISSING: CrawlPhase.MISSING}


@dataclass(slots=True)
class ShardResults:
    """The results of the shards of a run, by their number, of 1 to n."""

    summaries: dict[int, dict[str, Any]] = field(default_factory=dict)  # that came to an end
    errors: dict[int, str] = field(default_factory=dict)
    ran: set[int] = field(default_factory=set)  # that this run had to do with


class ShardDriver:
    """One run of shards on a cluster."""

    def __init__(
        self,
        client: Any,
        tasks: Iterable[ShardTask],
        results: ShardResults,
        display: ProgressDisplay,
        *,
        run: str,
        n: int,
        at_once: int,
    ) -> None:
        """Take the results of the shards that are done already; those of `tasks` are added.

        n: shards in all. A task is made when its turn comes, and no more are in the scheduler's
        hands than run at once: memory is that of the results, however many shards there are.
        """
        self._client = client
        self._tasks = iter(tasks)
        self._waiting: deque[ShardTask] = deque()  # the next one, and those to be run again
        self._at_once = at_once
        self._running: dict[int, tuple[Any, ShardTask]] = {}
        self._tries: Counter[int] = Counter()
        self._results = results
        self._display = display
        self._n = n
        self._rows: dict[int, ProgressRow] = {}
        self._ended: ProgressRow | None = None  # of all that have ended, where they are many
        if n <= _ROWS:
            for k in range(1, n + 1):
                self._row(k)
        self._expected: int | None = (
            None  # each shard reads the whole list, and is promised all of it
        )
        for k, summary in results.summaries.items():
            self._take_in(k, summary)
        self._run = run
        client.subscribe_topic(self._run, self._on_event)
        self._next_show = self._next_stop = 0.0
        self.meanwhile: Callable[[], None] | None = None  # called again and again

    def follow(self, stopped: Callable[[], bool]) -> None:
        """Run until every shard has ended; once `stopped`, until those under way have."""
        self._show()
        while self._running or (self._is_any_left() and not stopped()):
            while self._is_any_left() and not stopped() and len(self._running) < self._at_once:
                self._submit(self._waiting.popleft())
            if stopped():
                self._stop_workers()
            for k, (future, task) in list(self._running.items()):
                if future.done():
                    del self._running[k]
                    self._end(k, future, task)
            if time.monotonic() >= self._next_show:
                self._show()
            if self.meanwhile is not None:
                self.meanwhile()
            time.sleep(_POLL)

    def _is_any_left(self) -> bool:
        """Return whether a shard waits; the next one is at hand then."""
        if not self._waiting:
            self._waiting.extend(islice(self._tasks, 1))
        return bool(self._waiting)

    def _show(self) -> None:
        self._next_show = time.monotonic() + self._display.interval
        ended = [self._ended] if self._ended is not None else []
        self._display.show([*ended, *self._rows.values()], self._expected)

    def _submit(self, task: ShardTask) -> None:
        self._tries[task.k] += 1
        tries = self._tries[task.k]
        name = f"imgcrawl-{task.spider}-{task.arguments['shard']}-{task.run}-{tries}"
        future = self._client.submit(run_shard, task, key=name, retries=RETRIES, pure=False)
        self._running[task.k] = future, task
        self._set_phase(task.k, CrawlPhase.RUNNING)

    def _end(self, k: int, future: Any, task: ShardTask) -> None:
        if future.status == "finished":
            summary = future.result()
            if summary.get("error"):
                self._fail(k, summary["error"])
            else:
                self._results.summaries[k] = summary
                self._display.changed(self._take_in(k, summary))
            return
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker) and self._tries[k] <= RETRIES:
            self._waiting.append(task)  # the workers died: no failure of the shard
            self._set_phase(k, CrawlPhase.WAITING)
        else:
            self._fail(k, str(error or "the scheduler is gone"))

    def _fail(self, k: int, error: str) -> None:
        self._results.errors[k] = error
        self._set_phase(k, CrawlPhase.FAILED)
        self._fold(k)

    def _take_in(self, k: int, summary: dict[str, Any]) -> ProgressRow:
        row = self._row(k)
        row.phase = _PHASES.get(summary["exit_status"], CrawlPhase.STOPPED)
        if "records" in summary:
            records = summary["records"]
            row.done, row.missing = records["stored"] + records["missing"], records["missing"]
            self._expect(records.get("expected"))
        self._fold(k)
        return row

    def _row(self, k: int) -> ProgressRow:
        return self._rows.setdefault(k, ProgressRow(f"shard {k}", CrawlPhase.WAITING))

    def _fold(self, k: int) -> None:
        """Add the row of a shard that has ended to that of all of these, if there are many."""
        if self._n <= _ROWS:
            return
        row, ended = self._rows.pop(k), self._ended
        if ended is None:
            ended = self._ended = ProgressRow("", CrawlPhase.DONE)
        ended.done, ended.missing = ended.done + row.done, ended.missing + row.missing
        ended.bytes += row.bytes
        n_ended = len(self._results.summaries) + len(self._results.errors)
        ended.name = f"{n_ended:,} of {self._n:,} shards"

    def _set_phase(self, k: int, phase: CrawlPhase) -> None:
        row = self._row(k)
        row.phase = phase
        self._display.changed(row)

    def _expect(self, records: int | None) -> None:
        if records is not None:
            self._expected = max(records, self._expected or 0)

    def _on_event(self, event: tuple[float, dict[str, Any]]) -> None:
        _, message = event
        if message["k"] in self._running:
            self._expect(message["expected"])
            self._row(message["k"]).update({**message, "expected": None})

    def _stop_workers(self) -> None:
        if time.monotonic() >= self._next_stop:
            self._next_stop = time.monotonic() + _REPEAT_STOP
            self._client.run(stop, self._run, on_error="ignore")
