"""The writer of the ledger and the tables: batches, and what is left when something breaks."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.dataset import batch
from imgcrawl.dataset import writer as writer_module
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.tables import LiveTables, write_all
from imgcrawl.dataset.writer import DURABLE, LedgerWriter
from imgcrawl.records.items import Bookmark, Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import LEDGER
from tests.dataset.entries import NOW, ids, missing, rows, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.storage.directory import OutputDirectory


class Failures(list[Exception]):
    """The errors that the run is told of."""


@pytest.fixture
def failures() -> Failures:
    return Failures()


@pytest.fixture
def writer(out: OutputDirectory, ledger: Ledger, failures: Failures) -> LedgerWriter:
    write_all(out, ledger)  # as a run does first: rows are appended to tables with a header
    return LedgerWriter(out, ledger, failures.append)


def in_loop(work: Callable[[], Any], wait: float = 0) -> None:
    """Do some work in an event loop, as a run does, and let it go on for a while."""

    async def main() -> None:
        work()
        await asyncio.sleep(wait)

    asyncio.run(main())


def on_disk(out: OutputDirectory, *record_ids: str) -> list[str]:
    """Return the records that another process would find in the ledger now."""
    with closing(Ledger(out.root / LEDGER)) as other:
        return [record_id for record_id in record_ids if other.get(record_id)]


# --- batches ---


def test_a_batch_is_written_after_its_time(
    out: OutputDirectory, writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BATCH_SECONDS", 0.05)

    async def main() -> None:
        for record_id in "ab":
            writer.record(stored(record_id), was=None)
        assert writer.get("a") == stored("a")
        assert on_disk(out, "a", "b") == []
        await asyncio.sleep(0.3)
        assert on_disk(out, "a", "b") == ["a", "b"]
        assert ids(out) == ["a", "b"]

    asyncio.run(main())


def test_a_full_batch_is_written_at_once(
    out: OutputDirectory, writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BATCH_RECORDS", 3)

    def work() -> None:
        for record_id in "abcd":
            writer.record(stored(record_id), was=None)

    in_loop(work)
    assert on_disk(out, *"abcd") == ["a", "b", "c"]
    assert writer.get("d") == stored("d")


def test_what_is_taken_back_within_a_batch_has_no_row(
    out: OutputDirectory, writer: LedgerWriter
) -> None:
    def work() -> None:
        writer.record(stored("a"), was=None)
        writer.record(missing("a", Outcome.PLACEHOLDER), was=Stored)
        writer.record(stored("b", age=1), was=None)
        writer.record(stored("b", age=2), was=Stored)
        writer.record(missing("c"), was=None)
        writer.record(stored("c", age=3), was=Missing)
        writer.flush()
        assert [(row["record_id"], row["age"]) for row in rows(out)] == [("b", "2"), ("c", "3")]
        assert ids(out, "failures.csv") == ["a"]
        writer.close()
        assert [(row["record_id"], row["age"]) for row in rows(out)] == [("b", "2"), ("c", "3")]
        assert ids(out, "failures.csv") == ["a"]

    in_loop(work)


def test_an_idle_writer_writes_nothing(
    out: OutputDirectory, writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "write", lambda *args: pytest.fail("a batch of nothing"))
    writer.flush()
    assert ids(out) == []


def test_a_bookmark_is_committed_with_the_entries_before_it(
    out: OutputDirectory, writer: LedgerWriter
) -> None:
    def work() -> None:
        writer.record(stored("a"), was=None)
        writer.bookmark(Bookmark("list", "page 2"))
        with closing(Ledger(out.root / LEDGER)) as other:
            assert other.bookmarks() == {}

    in_loop(work)
    writer.flush()
    with closing(Ledger(out.root / LEDGER)) as other:
        assert (other.bookmarks(), other.get("a") is not None) == ({"list": "page 2"}, True)


def test_rows_are_appended_and_put_in_order_at_the_end(
    out: OutputDirectory, writer: LedgerWriter
) -> None:
    def work() -> None:
        writer.record(stored("b", sex="male"), was=None)
        writer.record(missing("c"), was=None)
        writer.unreadable("line 7", "no URL", NOW)
        writer.flush()
        writer.record(stored("a", sex="female"), was=None)
        writer.flush()

    in_loop(work)
    assert (ids(out), ids(out, "failures.csv")) == (["b", "a"], ["c"])
    writer.close()
    assert (ids(out), ids(out, "failures.csv")) == (["a", "b"], ["c", "line 7"])
    assert [row["sex"] for row in rows(out)] == ["female", "male"]


def test_a_record_that_is_written_again_keeps_its_one_row(
    out: OutputDirectory, writer: LedgerWriter
) -> None:
    def work() -> None:
        writer.record(stored("a", label="old"), was=None)
        writer.flush()
        writer.record(stored("a", label="new"), was=Stored)
        writer.flush()
        assert ids(out) == ["a"]
        writer.record(stored("a", label="new", added=1), was=Stored)

    in_loop(work)
    writer.close()
    assert [(row["label"], row["added"]) for row in rows(out)] == [("new", "1")]


def test_a_missing_record_that_is_stored_after_all_leaves_failures(
    out: OutputDirectory, writer: LedgerWriter
) -> None:
    def work() -> None:
        writer.record(missing("a"), was=None)
        writer.flush()
        writer.record(stored("a"), was=Missing)

    in_loop(work)
    writer.close()
    assert (ids(out), ids(out, "failures.csv")) == (["a"], [])


# --- what is asked of it before it is written ---


def test_records_of_the_batch_are_found_by_their_url(ledger: Ledger, writer: LedgerWriter) -> None:
    ledger.write([stored("old", _sha256="aa", _url="http://one")])

    def work() -> None:
        writer.record(stored("new", _sha256="aa", _url="http://two"), was=None)
        writer.record(missing("lost", url="http://three"), was=None)

    in_loop(work)
    for url, record_id in [("http://one", "old"), ("http://two", "new"), ("http://three", "lost")]:
        entry = writer.of_url(url)
        assert entry is not None
        assert entry.record_id == record_id
    assert writer.of_url("http://four") is None


def test_a_path_is_taken_before_its_entry_is_written(ledger: Ledger, writer: LedgerWriter) -> None:
    path = stored("1").path

    def work() -> None:
        writer.record(stored("1"), was=None)
        assert (ledger.owner(path), writer.owner(path)) == (None, "1")
        writer.record(replace(stored("1"), path="elsewhere"), was=Stored)
        assert writer.owner(path) is None
        writer.flush()

    in_loop(work)
    assert (writer.owner(path), writer.owner("elsewhere")) == (None, "1")


def test_what_a_batch_changes_hides_what_the_ledger_has(
    ledger: Ledger, writer: LedgerWriter
) -> None:
    ledger.write([stored("a", _sha256="aa", _url="http://one")])
    in_loop(lambda: writer.record(missing("a", Outcome.PLACEHOLDER, url="http://one"), was=Stored))
    entry = writer.of_url("http://one")
    assert entry is not None
    assert entry.result.outcome is Outcome.PLACEHOLDER
    found = writer.get("a")
    assert found is not None
    assert isinstance(found.result, Missing)


def test_a_stored_record_is_preferred_among_those_of_one_url(
    ledger: Ledger, writer: LedgerWriter
) -> None:
    ledger.write([missing("a", url="http://one"), stored("b", _url="http://two")])

    def work() -> None:
        writer.record(stored("c", _url="http://one"), was=None)
        writer.record(missing("d", url="http://two"), was=None)

    in_loop(work)
    found = [writer.of_url("http://one"), writer.of_url("http://two")]
    assert [entry.record_id for entry in found if entry is not None] == ["c", "b"]


def test_the_last_word_of_a_batch_on_a_record_counts(
    out: OutputDirectory, ledger: Ledger, writer: LedgerWriter
) -> None:
    ledger.write([stored("a", _url="http://one"), stored("b", _url="http://one")])

    def work() -> None:
        for name in "ab":  # whose columns have changed
            writer.record(stored(name, _url="http://one#1", label=1), was=Stored)
            writer.record(missing(name, Outcome.PLACEHOLDER, url="http://one"), was=Stored)

    in_loop(work)
    entry = writer.of_url("http://one")
    assert entry is not None
    assert entry.result.outcome is Outcome.PLACEHOLDER
    writer.flush()
    assert ledger.counts() == {Outcome.PLACEHOLDER: 2}


def test_only_a_missing_record_is_forgotten(ledger: Ledger, writer: LedgerWriter) -> None:
    ledger.write([stored("a"), missing("b")])
    for record_id in "abc":
        writer.forget_missing(record_id)
    assert [ledger.get(record_id) is not None for record_id in "ab"] == [True, False]


# --- killed, and a full disk ---


def test_a_killed_run_leaves_no_row_without_its_entry(
    out: OutputDirectory, writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def killed(self: LiveTables, found: list[Any], lost: list[Any]) -> None:
        seen.append(on_disk(out, *(entry.record_id for entry in found)))
        raise SystemExit

    monkeypatch.setattr(LiveTables, "add", killed)

    def work() -> None:
        writer.record(stored("a"), was=None)
        with pytest.raises(SystemExit):
            writer.flush()

    in_loop(work)
    assert seen == [["a"]]
    assert ids(out) == []


def test_a_batch_that_was_not_written_is_nowhere_after_a_kill(
    out: OutputDirectory, writer: LedgerWriter
) -> None:
    def work() -> None:
        writer.record(stored("a"), was=None)
        writer.flush()
        writer.record(stored("b"), was=None)
        writer.bookmark(Bookmark("list", "behind b"))

    in_loop(work)  # and the process is gone: nothing is closed
    with closing(Ledger(out.root / LEDGER)) as other:
        assert (other.get("b"), other.bookmarks()) == (None, {})
    assert ids(out) == ["a"]


def test_a_full_disk_is_told_once_and_nothing_is_lost(
    out: OutputDirectory, ledger: Ledger, writer: LedgerWriter, failures: Failures
) -> None:
    pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count={pages}")
    large = stored("a", text="x" * 100_000)

    async def main() -> None:
        writer.record(large, was=None)
        writer.bookmark(Bookmark("list", "page 2"))
        writer._try_flush()

    asyncio.run(main())
    (error,) = failures
    assert isinstance(error, sqlite3.OperationalError)
    assert "full" in str(error)
    assert on_disk(out, "a") == []
    assert ledger.bookmarks() == {}
    assert ids(out) == []
    assert writer.get("a") == large
    # Space was made: the run, as it ends, writes what it has.
    ledger._db.execute("PRAGMA max_page_count=1000000")
    writer.close()
    assert on_disk(out, "a") == ["a"]
    assert ledger.bookmarks() == {"list": "page 2"}
    assert ids(out) == ["a"]


def test_a_table_that_cannot_be_written_is_made_anew_at_the_end(
    out: OutputDirectory,
    writer: LedgerWriter,
    failures: Failures,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def main() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(LiveTables, "add", full)
            writer.record(stored("a"), was=None)
            writer._try_flush()
        writer.record(stored("b"), was=None)
        writer.close()

    asyncio.run(main())
    assert [error.args[0] for error in failures] == [errno.ENOSPC]
    assert ids(out) == ["a", "b"]


# --- files before rows ---


class Disk:
    """A disk that takes its time, and may fail."""

    def __init__(self) -> None:
        self.free, self.calls = threading.Event(), 0
        self.error: OSError | None = None

    def __call__(self) -> None:
        self.calls += 1
        assert self.free.wait(10)
        if self.error is not None:
            raise self.error


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def durable(
    out: OutputDirectory,
    ledger: Ledger,
    failures: Failures,
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
) -> LedgerWriter:
    monkeypatch.setattr(writer_module, "BATCH_SECONDS", 0.01)
    write_all(out, ledger)
    return LedgerWriter(out, ledger, failures.append, disk)


def test_no_row_is_written_before_its_file_is_on_the_disk(
    out: OutputDirectory, durable: LedgerWriter, disk: Disk
) -> None:
    async def main() -> None:
        durable.record(stored("a"), was=None)
        await asyncio.sleep(0.1)
        assert disk.calls == 1
        durable.record(stored("b"), was=None)  # the run goes on meanwhile
        await asyncio.sleep(0.1)
        assert disk.calls == 1  # one at a time
        assert on_disk(out, "a", "b") == []
        assert [durable.get(name) for name in "ab"] == [stored("a"), stored("b")]
        disk.free.set()
        for _ in range(100):
            await asyncio.sleep(0.1)
            if len(ids(out)) == 2:
                break
        assert on_disk(out, "a", "b") == ["a", "b"]
        assert ids(out) == ["a", "b"]
        assert disk.calls == 2

    asyncio.run(main())


def test_a_disk_that_is_too_slow_holds_up_the_run_and_not_its_memory(
    durable: LedgerWriter, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BATCH_RECORDS", 2)
    monkeypatch.setattr(writer_module, "MOST_RECORDS", 10)

    async def main() -> None:
        threading.Timer(0.2, disk.free.set).start()
        started = time.monotonic()
        for n in range(13):
            durable.record(stored(str(n)), was=None)
        assert time.monotonic() - started >= 0.15
        durable.flush()

    asyncio.run(main())


def test_a_disk_that_fails_stops_the_run_and_loses_no_row(
    out: OutputDirectory, durable: LedgerWriter, disk: Disk, failures: Failures
) -> None:
    async def main() -> None:
        disk.error = OSError(errno.EIO, "Input/output error")
        durable.record(stored("a"), was=None)
        await asyncio.sleep(0.1)
        durable.record(stored("b"), was=None)
        disk.free.set()
        await asyncio.sleep(0.1)
        assert [type(error) for error in failures[:1]] == [OSError]
        assert on_disk(out, "a", "b") == []
        disk.error = None
        durable.flush()
        assert on_disk(out, "a", "b") == ["a", "b"]

    asyncio.run(main())


def test_points_are_noted_once_what_was_left_has_been_looked_at(
    ledger: Ledger, durable: LedgerWriter, disk: Disk
) -> None:
    disk.free.set()

    async def main() -> None:
        durable.record(stored("a"), was=None)
        durable.flush()
        assert ledger.state(DURABLE) is None
        durable.keep_points()
        durable.record(stored("b"), was=None)
        durable.flush()
        assert ledger.state(DURABLE) is not None

    asyncio.run(main())


def test_an_address_is_found_in_spellings_of_this_run_and_in_the_canonical_one(
    writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST_SPELLINGS", 2)
    odd, canonical = "http://A.org:80/%7e{}", "http://a.org/~{}"

    def work() -> None:
        for n in range(3):
            writer.record(stored(f"odd{n}", _url=odd.format(n)), was=None)
        writer.record(stored("plain", _url=canonical.format("p")), was=None)
        assert found(writer, canonical.format(0)) == "odd0"
        writer.flush()
        assert found(writer, odd.format("p")) == "plain"
        assert found(writer, canonical.format(2)) == "odd2"
        assert found(writer, "http://a.org/%7E2") == "odd2"
        assert found(writer, odd.format(0)) == "odd0"  # as it was spelt
        assert found(writer, canonical.format(0)) is None  # no longer at hand: it is asked again

    in_loop(work)


def found(writer: LedgerWriter, url: str) -> str | None:
    entry = writer.of_url(url)
    return entry.record_id if entry else None
