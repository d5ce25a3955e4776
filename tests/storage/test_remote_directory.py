"""A scratch folder and the store behind it: what goes there, and what another machine gets."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from imgcrawl.dataset.ledger import Ledger
from imgcrawl.records.errors import OutputError, StoreError
from imgcrawl.records.items import ImageItem, Stored
from imgcrawl.storage.directory import LEDGER, METADATA, OutputDirectory
from imgcrawl.storage.origin import Origin, object_metadata, proven_origin
from imgcrawl.storage.remote_directory import RemoteDirectory
from imgcrawl.storage.s3 import S3Storage
from tests.stores import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stores import S3, Store

PREFIX = "sets/a/"
MIRROR = Origin("https://a.example/1.jpg", "https://b.example/1.jpg?signature=secret", "mirror")


@contextmanager
def machine(store: Store, scratch: Path, *, stale: float = 180) -> Iterator[RemoteDirectory]:
    """A run on a machine with a scratch folder."""
    out = OutputDirectory(scratch)
    settings = {
        **store.settings,
        "OUT_STORE": f"{store.scheme}://{BUCKET}/{PREFIX}",
        "STORE_LOCK_STALE": stale,
    }
    remote = RemoteDirectory(out, settings)
    remote.begin()
    try:
        yield remote
    finally:
        remote.close()
        out.close()


def add_ledger(remote: RemoteDirectory) -> None:
    Ledger(remote.out.root / LEDGER).close()


def write(remote: RemoteDirectory, name: str, data: bytes) -> None:
    path = remote.out.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def metadata_of(data: bytes, origin: Origin = MIRROR) -> dict[str, str]:
    sha256 = hashlib.sha256(data).hexdigest()
    return object_metadata(origin.stored("images/1.jpg", sha256, len(data), 1))


def test_a_file_leaves_for_the_store_and_comes_back_to_another_machine(
    store: Store, tmp_path: Path
) -> None:
    with machine(store, tmp_path / "a") as first:
        assert first.list_files() == 1  # the lock
        write(first, "images/1.jpg", b"picture")
        first.upload("images/1.jpg", metadata_of(b"picture"))
        assert not (first.out.root / "images/1.jpg").exists()
        assert first.listing.size("images/1.jpg") == 7
        add_ledger(first)
        first.end()
    with machine(store, tmp_path / "b") as second:
        assert (second.out.root / LEDGER).exists()
        second.list_files()
        path = second.fetch(["images/no.jpg", "images/1.jpg"])
        assert path is not None
        assert path.read_bytes() == b"picture"
        origin = proven_origin(path, ImageItem("1", [MIRROR.url], "images/1"))
        assert origin == Origin(MIRROR.url, "https://b.example/1.jpg?signature=***", "mirror")
        store.requests.clear()
        second.upload("images/1.jpg")  # it is there as it was: nothing to send
        assert not path.exists()
        assert not store.requests
        second.discard("images/1.jpg")
        assert f"{PREFIX}images/1.jpg" not in store.keys(PREFIX)
        assert second.fetch(["images/1.jpg"]) is None


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", ["bytes", "sha256"])
def test_a_file_that_is_not_as_it_was_put_is_fetched_from_its_source(
    s3: S3, tmp_path: Path, spoilt: str
) -> None:
    metadata = metadata_of(b"picture")
    data = b"spoilt!" if spoilt == "bytes" else b"picture"
    if spoilt == "sha256":
        del metadata["sha256"]
    s3.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}images/1.jpg", Body=data, Metadata=metadata)
    with machine(s3, tmp_path / "a") as remote:
        remote.list_files()
        assert remote.fetch(["images/1.jpg"]) is None
        assert not (remote.out.root / "images").exists()


@pytest.mark.slow
def test_a_ledger_of_another_machine_replaces_the_scratch_folder(s3: S3, tmp_path: Path) -> None:
    with machine(s3, tmp_path / "a") as first:
        add_ledger(first)
        write(first, "old.csv", b"old")
        first.end()
        notes = json.loads((first.out.root / ".store.json").read_text())
        assert notes["ledger"] == first.store.version(LEDGER)
    write_again = tmp_path / "a/left.jpg"
    write_again.write_bytes(b"left")
    with machine(s3, tmp_path / "a"):
        assert write_again.exists()  # the ledger is the one that it had: all of it counts
    with machine(s3, tmp_path / "b") as second:
        (second.out.root / LEDGER).write_bytes(b"newer")
        second.end()
    with machine(s3, tmp_path / "a"):
        assert not write_again.exists()
        assert (tmp_path / "a" / LEDGER).read_bytes() == b"newer"


def test_a_checkpoint_has_the_rows_that_are_complete(s3: S3, tmp_path: Path) -> None:
    with machine(s3, tmp_path / "a") as remote:
        add_ledger(remote)
        write(remote, METADATA, b"id\n1\n2")
        assert remote.checkpoint({METADATA: 5, "no.csv": 3}) > 0
        objects = s3.objects(PREFIX)
        assert objects[METADATA].data == b"id\n1\n"
        assert objects[LEDGER].data.startswith(b"SQLite format 3")
        assert (remote.out.root / METADATA).exists()
        remote.end()
        s3.requests.clear()
        assert remote.checkpoint({METADATA: 5}) == 0  # it has ended: nothing is put any more
        assert not s3.requests


def test_files_that_wait_are_not_put_at_the_end(s3: S3, tmp_path: Path) -> None:
    with machine(s3, tmp_path / "a") as remote:
        add_ledger(remote)
        write(remote, "images/1.jpg", b"waits")
        write(remote, "summary.json", b"{}")
        remote.end(files=False)
        assert (remote.out.root / "images/1.jpg").exists()
        assert {"ledger.sqlite", "summary.json"} <= set(s3.objects(PREFIX))
        assert "images/1.jpg" not in s3.objects(PREFIX)


def test_one_run_at_a_time(s3: S3, tmp_path: Path) -> None:
    with (
        machine(s3, tmp_path / "a") as first,
        pytest.raises(OutputError, match="in use by another run"),
        machine(s3, tmp_path / "b"),
    ):
        pytest.fail("two runs")
    del first
    assert ".lock" not in s3.objects(PREFIX)


def test_a_run_that_lost_its_lock_puts_nothing(s3: S3, tmp_path: Path) -> None:
    with machine(s3, tmp_path / "a") as remote:
        write(remote, "images/1.jpg", b"late")
        remote.lease.lost = "Another run took it over."
        with pytest.raises(StoreError, match="took it over"):
            remote.upload("images/1.jpg")
        with pytest.raises(StoreError, match="took it over"):
            remote.end()
        assert "images/1.jpg" not in s3.objects(PREFIX)
        assert (remote.out.root / "images/1.jpg").exists()


def taken_over(store: Store, tmp_path: Path) -> RemoteDirectory:
    """A run on a machine that is suspended, while one on another takes its place."""
    out = OutputDirectory(tmp_path / "a")
    settings = {
        **store.settings,
        "OUT_STORE": f"{store.scheme}://{BUCKET}/{PREFIX}",
        "STORE_LOCK_STALE": 180,
    }
    remote = RemoteDirectory(out, settings)
    remote.begin()
    remote.list_files()
    add_ledger(remote)
    write(remote, METADATA, b"first")
    remote.checkpoint({METADATA: 5})
    return remote


@pytest.mark.parametrize("renewed", [True, False])
def test_a_run_that_wakes_overwrites_nothing_of_the_one_that_took_its_place(
    renewed: bool, store: Store, tmp_path: Path
) -> None:
    first = taken_over(store, tmp_path)
    with machine(store, tmp_path / "b", stale=0.0) as second:
        second.list_files()
        write(second, METADATA, b"second")
        write(second, "summary.json", b"{}")
        write(second, "images/1.jpg", b"second")
        second.upload("images/1.jpg")
        second.end()
    there = {key: store.keys(PREFIX) for key in [PREFIX]}
    held = {name: second.store.version(name) for name in (LEDGER, METADATA, "summary.json")}
    # It knows of nothing: neither that it slept, nor what is in the store by now.
    first.lease._renewed_at += 0 if renewed else -3600
    late = (
        partial(first.checkpoint, {METADATA: 5})
        if renewed
        else partial(first.discard, "images/1.jpg")
    )
    with pytest.raises(StoreError, match="Another run took"):
        late()
    assert first.lease.lost
    assert first.checkpoint({METADATA: 5}) == 0
    with pytest.raises(StoreError, match="Another run took"):
        first.end()
    assert {name: first.store.version(name) for name in held} == held
    assert {key: store.keys(PREFIX) for key in [PREFIX]} == there
    first.close()
    first.out.close()


def test_a_run_that_has_the_lock_replaces_what_a_late_one_had_put(
    store: Store, tmp_path: Path
) -> None:
    first = taken_over(store, tmp_path)
    with machine(store, tmp_path / "b", stale=0.0) as second:
        second.list_files()
        first.store.write(METADATA, b"late", first.store.version(METADATA))  # in the last moment
        write(second, METADATA, b"second")
        second.end()
        found = second.store.read(METADATA)
        assert found is not None
        assert found.data == b"second"
    first.lease.lost = "it is told by now"
    first.close()
    first.out.close()


def test_a_store_without_conditions_is_told_of_and_asked_each_time(
    s3: S3, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(params: dict[str, Any], **_: Any) -> None:
        if {"IfMatch", "IfNoneMatch"} & params.keys():
            error = {"Error": {"Code": "NotImplemented", "Message": "no conditions"}}
            raise ClientError(error, "PutObject")  # type: ignore[arg-type]

    original = S3Storage.__init__

    def made(self: S3Storage, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        for call in ("PutObject", "DeleteObject"):
            self._client.meta.events.register(f"provide-client-params.s3.{call}", refuse)

    monkeypatch.setattr(S3Storage, "__init__", made)
    first = taken_over(s3, tmp_path)
    assert caplog.text.count("knows no conditional requests") == 1
    with machine(s3, tmp_path / "b", stale=0.0) as second:
        second.list_files()
        second.end()
    held = second.store.version(LEDGER)
    with pytest.raises(StoreError, match="Another run took"):
        first.checkpoint({METADATA: 5})
    assert first.store.version(LEDGER) == held
    first.close()
    first.out.close()


def test_a_note_has_no_address_that_was_asked_and_fits() -> None:
    plain = Origin("https://a.example/1.jpg", "https://a.example/1.jpg", "original")
    assert set(metadata_of(b"", plain)) == {"sha256", "origin"}
    assert "a.example" not in plain.metadata("ab" * 32)["origin"]
    long = Origin("https://a.example/1.jpg", f"https://a.example/{'x' * 2000}", "mirror")
    assert long.metadata("ab" * 32) == {}
    assert object_metadata(Stored("a.zarr", "https://a.example", None, None, 1)) == {}
