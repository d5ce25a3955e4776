"""The lock of an OUT in a store."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from imgcrawl.records.errors import OutputError
from imgcrawl.storage.lease import KEY, Lease
from imgcrawl.storage.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize("data", [b"", b"[]", b'{"scratch": 1}', b"\xff", b'{"process": "x"}'])
def test_a_lock_that_cannot_be_read_is_a_lock(storage: LocalStorage, data: bytes) -> None:
    storage.put(data, KEY)
    with pytest.raises(OutputError, match="unknown"):
        Lease(storage, "a", stale=600).take()
    Lease(storage, "a", stale=0.0).take()
