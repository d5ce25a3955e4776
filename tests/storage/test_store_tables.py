"""The tables of merged shards in a store, read while they are merged anew: all are of one merge."""

from __future__ import annotations

from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from imgcrawl.records.errors import OutputError
from imgcrawl.shards.place import StorePlace
from imgcrawl.storage import store_tables
from imgcrawl.storage.address import BucketAddress
from imgcrawl.storage.store_tables import MERGING, StoreTables
from tests.stores import BUCKET, running_google

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stores import Store

NAMES = ("metadata.csv", "failures.csv", "masks.csv", "summary.json", "runs.csv")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with running_google() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        running.settings["SCRATCH_DIR"] = str(tmp_path / "scratch")
        yield running


def merge(store: Store, number: int) -> None:
    place = StorePlace(BucketAddress.of(f"{store.scheme}://{BUCKET}/d"), store.settings)
    with place.tables([], []) as root:
        for name in NAMES:
            (root / name).write_text(f"{number}\n")


def test_all_tables_are_of_one_merge(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_tables, "_POLL", 0.001)
    merge(store, 0)
    ended = Event()

    def merging() -> None:
        number = 0
        while not ended.wait(0.5):
            number += 1
            merge(store, number)

    writer = Thread(target=merging, daemon=True)
    writer.start()
    seen: set[str] = set()
    try:
        for _ in range(200):
            with suppress(OutputError):  # too busy: said, and nothing is read by halves
                tables = StoreTables(f"{store.scheme}://{BUCKET}/d", store.settings)
                texts = {(tables.root / name).read_text() for name in NAMES}
                assert len(texts) == 1, texts
                seen |= texts
            if len(seen) == 4:
                return
        pytest.fail(f"only {len(seen)} merges were seen")
    finally:
        ended.set()
        writer.join()


def test_a_killed_merge_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_tables, "_PATIENCE", 0.1)
    merge(store, 1)
    assert store.keys(f"d/{MERGING}") == []
    store.put(f"d/{MERGING}", b"{}")
    with pytest.raises(OutputError, match="merge them again by the same `scrapy shards`"):
        StoreTables(f"{store.scheme}://{BUCKET}/d", store.settings)
    merge(store, 2)
    assert (StoreTables(f"{store.scheme}://{BUCKET}/d", store.settings).root / NAMES[0]).is_file()
