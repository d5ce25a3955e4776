"""The hand-over of very many shards: in windows, in memory that does not grow with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.shards import driver
from imgcrawl.shards.driver import ShardDriver, ShardResults
from imgcrawl.shards.task import ShardTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.progress.row import ProgressRow

N = 100_000


class Future:
    status = "finished"

    def __init__(self, task: ShardTask, client: Client) -> None:
        self._k, self._client = task.k, client

    def done(self) -> bool:
        return True

    def result(self) -> dict[str, Any]:
        self._client.in_flight -= 1
        records = {"stored": self._k % 7, "missing": 0, "expected": None}
        return {"exit_status": 0, "records": records, "bytes": 1, "missing_by_reason": {}}


class Client:
    """What a driver asks of Dask's, each task done at once."""

    def __init__(self) -> None:
        self.in_flight = self.most = 0

    def submit(self, function: Any, task: ShardTask, **options: Any) -> Future:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        return Future(task, self)

    def subscribe_topic(self, *args: Any) -> None:
        """Nobody tells of a topic."""


class Display:
    interval = 0.5
    shown: list[ProgressRow]
    most = 0

    def show(self, rows: list[ProgressRow], expected: int | None = None) -> None:
        self.shown = [*rows]
        self.most = max(self.most, len(rows))

    def changed(self, row: ProgressRow) -> None:
        """Nobody looks."""

    def close(self) -> None:
        """Nor here."""


@pytest.mark.slow
def test_a_hundred_thousand_shards_are_handed_over_in_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "_POLL", 0)
    client, display, results, made = Client(), Display(), ShardResults(), []

    def tasks() -> Iterator[ShardTask]:
        for k in range(1, N + 1):
            made.append(k)
            assert len(made) - len(results.summaries) <= 64 + 1  # one more is at hand
            given = {"list": "x" * 50, "shard": f"{k}/{N}"}
            yield ShardTask("run", k, "urls", given, {"A": "b"}, "/out", "/", "f" * 64)

    how = {"run": "run", "n": N, "at_once": 64}
    ShardDriver(client, tasks(), results, display, **how).follow(lambda: False)  # type: ignore[arg-type]
    assert client.most == 64
    assert len(results.summaries) == N
    assert display.most <= 64 + 1
    assert sum(row.done for row in display.shown) <= sum(k % 7 for k in range(1, N + 1))
