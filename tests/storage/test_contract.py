"""Every storage keeps the same promises: a folder, S3 and Google Cloud Storage."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.records.errors import StoreError
from imgcrawl.storage.address import BucketAddress
from imgcrawl.storage.base import PART, ConflictError, Storage
from imgcrawl.storage.local import LocalStorage
from imgcrawl.storage.open_store import open_bucket
from tests.stores import BUCKET, running_google, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stores import S3, Store

PREFIX = "sets/a/"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(64)


def opened(store: Store, name: str = BUCKET, **options: Any) -> Storage:
    address = BucketAddress.of(f"{store.scheme}://{name}/{PREFIX}")
    return open_bucket(address, store.settings, **options)


@pytest.fixture(params=["folder", "s3", "gs"])
def storage(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Storage]:
    if request.param == "folder":
        yield LocalStorage(tmp_path / "out")
        return
    with running_s3() if request.param == "s3" else running_google() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield opened(running)


def fetched(storage: Storage, name: str, tmp_path: Path) -> tuple[bytes, dict[str, str]]:
    file = tmp_path / "fetched"
    metadata = storage.get(name, file)
    return file.read_bytes(), metadata


def test_bytes_come_back(storage: Storage, tmp_path: Path) -> None:
    assert storage.read("images/1.jpg") is None
    assert storage.size("images/1.jpg") is None
    assert storage.version("images/1.jpg") is None
    before = datetime.now(UTC)
    storage.put(JPEG, "images/1.jpg", {"sha256": "ab"})
    found = storage.read("images/1.jpg")
    assert found is not None
    assert found.data == JPEG
    assert found.version == storage.version("images/1.jpg")
    assert abs((found.changed_at - before).total_seconds()) < 60
    assert storage.size("images/1.jpg") == len(JPEG)
    assert fetched(storage, "images/1.jpg", tmp_path) == (JPEG, {"sha256": "ab"})


def test_what_is_put_again_is_replaced(storage: Storage) -> None:
    storage.put(b"one", "a.txt")
    first = storage.version("a.txt")
    storage.put(b"three", "a.txt")
    assert storage.size("a.txt") == 5
    assert storage.version("a.txt") != first


@pytest.mark.parametrize("size", [0, 1, PART + 7])
def test_files_of_any_size(storage: Storage, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    file = tmp_path / "source"
    file.write_bytes(data)
    storage.put(file, "data/copy.bin", {"origin": '["a", "b"]'})
    assert file.exists()
    assert fetched(storage, "data/copy.bin", tmp_path) == (data, {"origin": '["a", "b"]'})
    storage.move(file, "data/moved.bin")
    assert not file.exists()
    assert fetched(storage, "data/moved.bin", tmp_path) == (data, {})
    assert storage.size("data/moved.bin") == size


def test_a_file_is_read_piece_by_piece(storage: Storage) -> None:
    data = os.urandom(PART + 7)
    storage.put(data, "data/long.bin")
    with storage.open("data/long.bin") as file:
        assert file.read(5) == data[:5]
        assert file.read() == data[5:]


def test_a_file_that_is_not_there_cannot_be_fetched(storage: Storage, tmp_path: Path) -> None:
    with (
        pytest.raises((StoreError, FileNotFoundError), match=r"gone|No such file"),
        storage.open("no/such"),
    ):
        pass
    with pytest.raises((StoreError, FileNotFoundError), match=r"gone|No such file"):
        storage.get("no/such", tmp_path / "fetched")


def test_a_list_has_every_file_below_a_prefix(storage: Storage) -> None:
    assert list(storage.list()) == []
    sizes = {"a/1.bin": 1, "a/2.bin": 22, "a/b/3.bin": 0, "ab.bin": 4, "c.csv": 5}
    for name, size in sizes.items():
        storage.put(bytes(size), name)
    assert dict(storage.list()) == sizes
    assert dict(storage.list("a/")) == {n: s for n, s in sizes.items() if n.startswith("a/")}
    assert dict(storage.list("a")) == {n: s for n, s in sizes.items() if n.startswith("a")}
    assert dict(storage.list("a/b/3")) == {"a/b/3.bin": 0}
    assert list(storage.list("z/")) == []
    assert list(storage.list("c.csv/")) == []


def test_a_long_list_comes_whole(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("s3", "gcs"):
        monkeypatch.setattr(f"imgcrawl.storage.{module}.LIST_PAGE", 10)
    names = {f"many/{number:04}" for number in range(25)}  # more than a page
    for name in names:
        storage.put(b"", name)
    assert {name for name, _ in storage.list("many/")} == names


def test_what_is_removed_is_gone(storage: Storage) -> None:
    storage.put(b"x", "a/x")
    storage.put(b"y", "a/xy")
    storage.remove("a/x")
    storage.remove("a/x")  # it is not there: nothing to do
    storage.remove("no/such")
    assert dict(storage.list()) == {"a/xy": 1}


@pytest.mark.parametrize(
    "name", ["", "/abs", "../up", "a/../../b", "a/./b", "a//b", "a/", ".", "..", "nul\0"]
)
def test_a_hostile_name_is_refused(storage: Storage, tmp_path: Path, name: str) -> None:
    file = tmp_path / "source"
    file.write_bytes(b"x")
    for call in (
        lambda: storage.put(b"x", name),
        lambda: storage.move(file, name),
        lambda: storage.write(name, b"x", None),
    ):
        with pytest.raises(ValueError, match="lies outside the store"):
            call()
    assert file.exists()
    assert dict(storage.list()) == {}
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize(
    "name", ["a b+&ä.bin", "data/#1?.bin", "x=1;y:2,(z)~!@$^'.bin", "..a/b..", "€/日本"]
)
def test_an_odd_name_is_a_name(storage: Storage, tmp_path: Path, name: str) -> None:
    if str(storage).startswith("gs") and set(name) & set("#;"):
        pytest.skip("the emulator does not quote names in the links that it gives")
    storage.put(b"odd", name)
    assert dict(storage.list()) == {name: 3}
    assert fetched(storage, name, tmp_path)[0] == b"odd"
    storage.remove(name)
    assert dict(storage.list()) == {}


def test_a_conditional_write_finds_what_it_expects_or_nothing_is_written(
    storage: Storage,
) -> None:
    first = storage.write("a/.lock", b"1", None)
    assert first == storage.version("a/.lock")
    with pytest.raises(ConflictError):
        storage.write("a/.lock", b"2", None)
    second = storage.write("a/.lock", b"3", first)
    with pytest.raises(ConflictError):
        storage.write("a/.lock", b"4", first)
    found = storage.read("a/.lock")
    assert found is not None
    assert (found.data, found.version) == (b"3", second)
    storage.remove("a/.lock")
    with pytest.raises(ConflictError):
        storage.write("a/.lock", b"5", second)
    assert storage.read("a/.lock") is None
    assert {name for name, _ in storage.list()} == set()


def test_a_long_file_is_written_on_a_condition_too(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    file.write_bytes(bytes(PART + 1))
    first = storage.write("ledger", file, None)
    assert storage.size("ledger") == PART + 1
    file.write_bytes(b"second")
    if not str(storage).startswith("gs"):  # the emulator has no conditions of uploads in parts
        with pytest.raises(ConflictError):
            storage.write("ledger", file, "other")
    assert storage.write("ledger", file, first) == storage.version("ledger")
    assert fetched(storage, "ledger", tmp_path)[0] == b"second"
    assert file.exists()


def test_another_version_is_not_removed(storage: Storage) -> None:
    first = storage.write("a/.lock", b"1", None)
    second = storage.write("a/.lock", b"2", first)
    if str(storage).startswith("s3") or str(storage).startswith("gs"):
        pytest.skip("the emulators ask no condition of a removal")
    with pytest.raises(ConflictError):
        storage.remove("a/.lock", first)
    assert storage.version("a/.lock") == second
    storage.remove("a/.lock", second)
    assert storage.version("a/.lock") is None
    with pytest.raises(ConflictError):
        storage.remove("a/.lock", second)


def test_of_many_writers_one_wins(storage: Storage) -> None:
    if str(storage).startswith("s3"):
        pytest.skip("moto looks and writes in two steps")
    won: list[int] = []
    start = threading.Barrier(8)

    def write(number: int, expected: str | None) -> None:
        start.wait()
        try:
            storage.write("lock", b"%d" % number, expected)
        except ConflictError:
            return
        won.append(number)

    for _ in range(5):
        won.clear()
        expected = storage.version("lock")
        threads = [threading.Thread(target=write, args=(n, expected)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        found = storage.read("lock")
        assert found is not None
        assert found.data == b"%d" % won[0]


def test_a_missing_bucket_is_told_by_name(store: Store, tmp_path: Path) -> None:
    storage = opened(store, "no-such-bucket")
    file = tmp_path / "source"
    file.write_bytes(b"x")
    for call in (
        lambda: storage.put(b"x", "a"),
        lambda: storage.put(file, "a"),
        lambda: list(storage.list()),
        lambda: storage.write("a", b"x", None),
    ):
        with pytest.raises(StoreError, match="there is no bucket 'no-such-bucket'") as error:
            call()
        assert error.value.hopeless


def test_an_object_has_its_content_type(store: Store, tmp_path: Path) -> None:
    storage = opened(store)
    file = tmp_path / "source.tmp"
    file.write_bytes(JPEG)
    storage.put(JPEG, "a")
    storage.put(file, "b.png")
    storage.put(b"a,b\n", "metadata.csv")
    storage.put(b"{}", "v.zarr/.zattrs")
    storage.put(b"\0", "x.bin")
    found = {k: o.content_type.partition(";")[0] for k, o in store.objects(PREFIX).items()}
    assert found == {
        "a": "image/jpeg",
        "b.png": "image/jpeg",  # the bytes count
        "metadata.csv": "text/csv",
        "v.zarr/.zattrs": "application/json",
        "x.bin": "application/octet-stream",
    }


def test_who_may_read_and_for_how_long_go_with_every_object(s3: S3, tmp_path: Path) -> None:
    storage = opened(s3, acl="public-read", cache_control="max-age=7")
    file = tmp_path / "source"
    file.write_bytes(bytes(PART + 1))
    storage.put(b"x", "small")
    storage.put(file, "large")
    for name in ("small", "large"):
        place = {"Bucket": BUCKET, "Key": PREFIX + name}
        grants = s3.client.get_object_acl(**place)["Grants"]
        everyone = [g for g in grants if g["Grantee"].get("URI", "").endswith("/AllUsers")]
        assert [grant["Permission"] for grant in everyone] == ["READ"]
        assert s3.client.head_object(**place)["CacheControl"] == "max-age=7"


def test_who_may_read_is_asked_of_google_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_google() as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        storage = opened(running, acl="publicRead", cache_control="max-age=7")
        storage.put(b"x", "small")
        assert any("predefinedAcl=publicRead" in path for _, path in running.requests)
        blob = running.bucket.get_blob(f"{PREFIX}small")
        assert blob.cache_control == "max-age=7"


def test_a_refusal_says_which_rights_are_needed(s3: S3, tmp_path: Path) -> None:
    storage = opened(s3)
    file = tmp_path / "source"
    file.write_bytes(b"x")
    s3.refused += ["PUT /", "GET /"]
    for call in (
        lambda: storage.put(b"x", "a"),
        lambda: storage.move(file, "a"),
        lambda: storage.read("a"),
        lambda: list(storage.list()),
    ):
        with pytest.raises(StoreError, match="s3:PutObject and s3:DeleteObject") as error:
            call()
        assert error.value.hopeless
    assert file.exists()


@pytest.mark.slow
def test_foreign_objects_do_not_end_a_list(s3: S3) -> None:
    for key in ("a//b", "folder/", "x/./y", "x/../y"):
        s3.put(PREFIX + key, b"1")
    assert dict(opened(s3).list()) == {"a//b": 1, "folder/": 1, "x/./y": 1, "x/../y": 1}
    assert opened(s3).size("x/../y") == 1


def test_a_multipart_upload_that_fails_leaves_no_parts(s3: S3, tmp_path: Path) -> None:
    file = tmp_path / "source"
    file.write_bytes(bytes(2 * PART))
    s3.refused.append("PUT /")
    with pytest.raises(StoreError, match="access is denied"):
        opened(s3).move(file, "large")
    assert file.exists()
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=BUCKET)
    assert ("DELETE", f"/{BUCKET}/{PREFIX}large") in s3.requests
