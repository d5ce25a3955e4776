"""The lock of an OUT in a store."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from imgcrawl.records.errors import OutputError, StoreError
from imgcrawl.storage.lease import KEY, Lease
from imgcrawl.storage.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.storage.base import StoredObject


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path)


def test_of_two_runs_one_has_the_lock(storage: LocalStorage) -> None:
    first = Lease(storage, "a", stale=600)
    first.take()
    with pytest.raises(OutputError, match="in use by another run"):
        Lease(storage, "b", stale=600).take()
    again = Lease(storage, "a", stale=600)  # its folder is ours now: it is dead
    again.take()
    assert again.after_death
    again.release()
    assert storage.read(KEY) is None


def test_a_run_that_was_taken_for_dead_stops(storage: LocalStorage) -> None:
    lost = threading.Event()
    first, second = Lease(storage, "a", stale=0.6), Lease(storage, "b", stale=0.0)
    first.take()
    second.take()  # as if the first had been silent for long
    first.keep(lost.set)
    assert lost.wait(30)
    assert "took" in (first.lost or "")
    first.release()
    found = storage.read(KEY)
    assert found is not None
    assert b'"b"' in found.data


def test_a_live_lock_is_not_taken_by_a_clock_that_is_wrong(storage: LocalStorage) -> None:
    first = Lease(storage, "a", stale=0.6)
    first.take()
    first.keep(lambda: None)
    read = storage.read

    def ahead(name: str) -> StoredObject | None:
        found = read(name)  # as a clock that is an hour ahead sees it
        return found and replace(found, changed_at=found.changed_at - timedelta(hours=1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "read", ahead)
        with pytest.raises(OutputError, match="in use by another run"):
            Lease(storage, "b", stale=0.6).take()
    assert first.lost is None
    first.release()
    assert storage.read(KEY) is None


def test_a_run_that_slept_asks_before_it_writes(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("imgcrawl.storage.lease._clock", lambda: now[0])
    first, second = Lease(storage, "a", stale=60), Lease(storage, "b", stale=0.0)
    first.take()
    first.require()
    before = storage.version(KEY)
    now[0] += 3600
    first.require()  # nobody has taken it: it is renewed
    assert storage.version(KEY) != before
    second.take()
    first.require()  # it was renewed just now, as far as it knows
    now[0] += 3600
    with pytest.raises(StoreError, match="Another run took"):
        first.require()
    first.release()
    found = storage.read(KEY)
    assert found is not None
    assert b'"b"' in found.data


def test_an_answer_that_was_lost_is_no_other_run(storage: LocalStorage) -> None:
    lease = Lease(storage, "a", stale=60)
    lease.take()
    lease._version = "of before"  # as if the store had written, and its answer had not come
    lease.renew()
    assert lease.lost is None
    lease.renew()
    assert lease.lost is None


@pytest.mark.parametrize("data", [b"", b"[]", b'{"scratch": 1}', b"\xff", b'{"process": "x"}'])
def test_a_lock_that_cannot_be_read_is_a_lock(storage: LocalStorage, data: bytes) -> None:
    storage.put(data, KEY)
    with pytest.raises(OutputError, match="unknown"):
        Lease(storage, "a", stale=600).take()
    Lease(storage, "a", stale=0.0).take()
