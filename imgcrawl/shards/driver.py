"""Hands shards to a cluster, no more at once than the rates were divided by, and follows them."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from distributed import KilledWorker

from imgcrawl.shards.task import run_shard, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgcrawl.shards.task import ShardTask

RETRIES = 3  # of a shard, by the engine
_LOOK = 0.25  # seconds
_SAY = 10.0  # seconds between lines, where there is no terminal
_TELL = 2.0  # seconds between calls to stop; a worker may have been started since the last


@dataclass(slots=True)
class FollowedShard:
    """What is known of the shards of a run."""

    total: int
    summaries: dict[int, dict[str, Any]] = field(default_factory=dict)  # that came to an end
    errors: dict[int, str] = field(default_factory=dict)
    progress: dict[int, dict[str, Any]] = field(default_factory=dict)  # of those under way
    ran: set[int] = field(default_factory=set)  # that this run had to do with

    def line(self, running: int, seconds: float) -> str:
        """How far the whole is, in one line."""
        shown = dict(self.progress)
        for k, summary in self.summaries.items():
            if "records" in summary:
                records = summary["records"]
                ended = records["stored"] + records["missing"]
                shown[k] = {**records, "done": ended}
        done = sum(said.get("done") or 0 for said in shown.values())
        missing = sum(said.get("missing") or 0 for said in shown.values())
        promised = [said["expected"] for said in shown.values() if said.get("expected")]
        # Each shard reads the whole list, and is promised all of it.
        of = f" of {max(promised):,}" if promised else ""
        waiting = self.total - len(self.summaries) - len(self.errors) - running
        failed = f", {len(self.errors)} failed" if self.errors else ""
        return (
            f"{done:,}{of} records done, {missing:,} missing, {done / max(seconds, 1):,.1f} "
            f"records/s; shards: {len(self.summaries)} done, {running} running, "
            f"{waiting} waiting{failed}"
        )


class ShardDriver:
    """One run of shards on a cluster."""

    def __init__(
        self, client: Any, tasks: Sequence[ShardTask], at_once: int, followed: FollowedShard
    ) -> None:
        self._client = client
        self._waiting = deque(tasks)
        self._at_once = at_once
        self._running: dict[int, tuple[Any, ShardTask]] = {}
        self._tries: dict[int, int] = {}
        self.followed = followed
        if tasks:
            client.subscribe_topic(tasks[0].run, self._heard)
        self._run = tasks[0].run if tasks else ""
        self._started = time.monotonic()
        self._next_line = self._next_call = 0.0

    def follow(self, stopped: Callable[[], bool]) -> None:
        """Until every shard has ended; once `stopped`, until those that are under way have."""
        while self._running or (self._waiting and not stopped()):
            while self._waiting and not stopped() and len(self._running) < self._at_once:
                self._submit(self._waiting.popleft())
            if stopped():
                self._call_off()
            for k, (future, task) in list(self._running.items()):
                if future.done():
                    del self._running[k]
                    self._ended(k, future, task)
            self._show()
            time.sleep(_LOOK)
        self._show(last=True)

    def _submit(self, task: ShardTask) -> None:
        tries = self._tries[task.k] = self._tries.get(task.k, 0) + 1
        name = f"imgcrawl-{task.spider}-{task.arguments['shard']}-{task.run}-{tries}"
        future = self._client.submit(run_shard, task, key=name, retries=RETRIES, pure=False)
        self._running[task.k] = future, task

    def _ended(self, k: int, future: Any, task: ShardTask) -> None:
        followed = self.followed
        followed.progress.pop(k, None)
        if future.status == "finished":
            summary = future.result()
            if summary.get("error"):
                followed.errors[k] = summary["error"]
            else:
                followed.summaries[k] = summary
            return
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker) and self._tries[k] <= RETRIES:
            self._waiting.append(task)  # the workers died, which says nothing of the shard
        else:
            followed.errors[k] = str(error or "the scheduler is gone")

    def _heard(self, event: tuple[float, dict[str, Any]]) -> None:
        _, said = event
        if said["k"] in self._running:
            self.followed.progress[said["k"]] = said

    def _call_off(self) -> None:
        if time.monotonic() >= self._next_call:
            self._next_call = time.monotonic() + _TELL
            self._client.run(stop, self._run, on_error="ignore")

    def _show(self, *, last: bool = False) -> None:
        live = sys.stderr.isatty()
        now = time.monotonic()
        if last or now >= self._next_line:
            self._next_line = now + (1.0 if live else _SAY)
            line = self.followed.line(len(self._running), now - self._started)
            end = "\n" if last or not live else ""
            sys.stderr.write(f"\r\033[K{line}{end}" if live else f"{line}\n")
            sys.stderr.flush()
