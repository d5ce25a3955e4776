"""Members of archives: one download, however many ask; nothing outside, nothing beyond limits."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scrapy import Request

from imgcrawl.download.archives import member_url
from imgcrawl.download.downloader import Downloader
from imgcrawl.download.limits import TransferLimits
from imgcrawl.download.tar_reader import TarArchive, unpack_pieces
from imgcrawl.download.zip_reader import ZipArchive
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.download.harness import crawl, fetch, outcome, outcomes
from tests.download.server import Asked, Connection, Server, after, http

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy.crawler import Crawler

MEMBERS = {
    "a/1.png": b"one",
    "b/1.png": b"other",
    "b/2.png": b"two" * 1000,
    "with space & 100% ü#?.png": b"odd",
    "../../escaped.png": b"escaped",
    "empty.png": b"",
}


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return buffer.getvalue()


ZIP = zip_of(MEMBERS)


def test_one_download_for_all_who_ask(tmp_path: Path) -> None:
    async def main(crawler: Crawler) -> None:
        async with Server({"/a.zip": after(0.1, http(ZIP))}) as server:
            archive = server.url("/a.zip?X-Signature=x")
            url = member_url(archive, "b/2.png")
            responses = await asyncio.gather(*(fetch(crawler, url) for _ in range(50)))
            assert {response.body for response in responses} == {MEMBERS["b/2.png"]}
            assert responses[0].url == url
            for name, body in MEMBERS.items():
                response = await fetch(crawler, member_url(archive, name), media=True)
                assert (response.status, response.body) == (200, body)
            missing = await fetch(crawler, member_url(archive, "b/9.png"))
            assert (missing.status, missing.headers["X-Archive"]) == (404, b"no such member")
            for name, status in (("2.png", 200), ("x/2.png", 200), ("1.png", 404), ("a/", 404)):
                assert (await fetch(crawler, member_url(archive, name))).status == status
            names = await fetch(crawler, f"zip+{archive}")
            assert names.body.decode().split("\n") == list(MEMBERS)
            assert server.count("/a.zip") == 1

    crawl(main, ARCHIVES_DIR=str(tmp_path / "archives"), ROBOTSTXT_OBEY=True)
    assert not list(tmp_path.rglob("*.png"))
    (kept,) = (tmp_path / "archives").iterdir()
    assert kept.read_bytes() == ZIP


def test_an_archive_that_is_there_is_not_asked_for(tmp_path: Path) -> None:
    async def main(crawler: Crawler) -> int:
        async with Server({"/a.zip": http(ZIP)}, port=port) as server:
            await fetch(crawler, member_url(server.url("/a.zip"), "a/1.png"))
            return server.count("/a.zip")

    port = _free_port()
    assert crawl(main, ARCHIVES_DIR=str(tmp_path)) == 1
    assert crawl(main, ARCHIVES_DIR=str(tmp_path)) == 0
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(ZIP[:100])
    assert crawl(main, ARCHIVES_DIR=str(tmp_path)) == 1


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (http(b"", 404), "not_found"),
        (http(b"", 403), "forbidden"),
        (http(b"<html>please sign in</html>"), "corrupt"),
        (http(ZIP[:-30]), "corrupt"),
        (http(b""), "empty"),
        (http(ZIP, length=10_000), "truncated"),
        (http(bytes(30_000)), "too_large"),
        (http(ZIP, 200, "X-Robots-Tag: noai"), "opted_out"),
    ],
)
def test_the_failure_of_an_archive_is_that_of_its_members(
    answer: bytes, end: str, tmp_path: Path
) -> None:
    async def main(crawler: Crawler) -> tuple[list[str], int]:
        async with Server({"/a.zip": answer}) as server:
            urls = [member_url(server.url("/a.zip"), f"{number}.png") for number in range(20)]
            ends = [*await outcomes(crawler, urls), await outcome(crawler, urls[0])]
            return ends, server.count("/a.zip")

    ends, asked = crawl(main, ARCHIVES_DIR=str(tmp_path), ARCHIVE_MAXSIZE=20_000, RETRY_TIMES=1)
    assert set(ends) == {end}
    assert asked == (2 if end == "truncated" else 1)
    assert not list(tmp_path.iterdir())


def test_a_stop_does_not_wait_for_an_archive(tmp_path: Path) -> None:
    async def endless(asked: Asked, connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n")
        while True:
            await connection.send(bytes(100_000))
            await asyncio.sleep(0.01)

    async def main(crawler: Crawler) -> str:
        async with Server({"/a.zip": endless}) as server:
            asked = asyncio.ensure_future(
                outcome(crawler, member_url(server.url("/a.zip"), "1.png"))
            )
            await asyncio.sleep(0.3)
            Downloader.of(crawler).interrupt()
            return await asyncio.wait_for(asked, 10)

    assert crawl(main, ARCHIVES_DIR=str(tmp_path)) == "interrupted"
    assert not list(tmp_path.iterdir())


# The files themselves

LIMITS = TransferLimits(silence=1, deadline=1, maxsize=200 << 20, spool_threshold=1000)


def opened(tmp_path: Path, data: bytes) -> ZipArchive:
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    return ZipArchive(path, "example.org/a.zip")


def refusal(archive: ZipArchive, member: str, limits: TransferLimits = LIMITS) -> Outcome:
    with pytest.raises(RecordMissing) as failed:
        archive.read(member, limits)
    return failed.value.outcome


def test_a_large_member_goes_to_disk(tmp_path: Path) -> None:
    from dataclasses import replace

    archive, spool = opened(tmp_path, ZIP), tmp_path / "spool"
    spooling = replace(LIMITS, spool=str(spool))
    read = archive.read("b/2.png", spooling)
    assert read is not None
    assert (read.body, read.spooled) == (b"", True)
    assert spool.read_bytes() == MEMBERS["b/2.png"]
    small = archive.read("a/1.png", spooling)
    assert small is not None
    assert (small.body, small.spooled) == (b"one", False)
    full = replace(LIMITS, spool=str(tmp_path / "nowhere" / "spool"))
    assert refusal(archive, "b/2.png", full) is Outcome.DISK_FULL


def test_bombs_and_locks(tmp_path: Path) -> None:
    bomb = zip_of({"a": bytes(65 << 20), "b": bytes(2_000_000)})
    archive = opened(tmp_path, bomb)
    assert refusal(archive, "a") is Outcome.CORRUPT
    assert archive.read("b", LIMITS) is not None
    assert refusal(archive, "b", TransferLimits(1, 1, 1_000_000, 0)) is Outcome.TOO_LARGE
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        archive = opened(tmp_path, zip_of({"a": bytes(1000)}, method))
        assert refusal(archive, "a") is Outcome.CORRUPT
    # Bit 0 of the flags, in both of its places, says that a member is encrypted.
    locked = bytearray(zip_of({"a": b"x"}))
    for offset in (6, locked.index(b"PK\x01\x02") + 8):
        locked[offset] |= 1
    assert refusal(opened(tmp_path, bytes(locked)), "a") is Outcome.CORRUPT


def test_a_size_that_lies_is_damage(tmp_path: Path) -> None:
    data = bytearray(zip_of({"a": bytes(100_000)}))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    assert refusal(opened(tmp_path, bytes(data)), "a") is Outcome.CORRUPT


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(ZIP) - 1), st.binary(min_size=1, max_size=6))
def test_damage_has_one_word(tmp_path_factory: Any, at: int, junk: bytes) -> None:
    data = ZIP[:at] + junk + ZIP[at + len(junk) :]
    try:
        archive = opened(tmp_path_factory.getbasetemp(), data)
        for name in MEMBERS:
            archive.read(name, LIMITS)
    except RecordMissing as error:
        if error.outcome not in {Outcome.CORRUPT, Outcome.TOO_LARGE}:
            raise


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_name_survives_its_way_through_a_url(name: str) -> None:
    from urllib.parse import unquote, urldefrag

    url = Request(member_url("https://example.org/a.zip?x=1#old", name)).url
    assert url.startswith("zip+https://example.org/a.zip?x=1#")
    assert unquote(urldefrag(url).fragment) == name


# TAR


def tar_of(members: dict[str, bytes], mode: str = "w", **kwargs: Any) -> bytes:
    buffer = io.BytesIO()
    opener: Any = tarfile.open
    with opener(fileobj=buffer, mode=mode, **kwargs) as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def opened_tar(tmp_path: Path, data: bytes, maxsize: int = 0) -> TarArchive:
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    for _ in unpack_pieces(path, maxsize):
        pass
    return TarArchive(path, "example.org/a.tar")


TAR = tar_of({name: body for name, body in MEMBERS.items() if body})


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_of_any_kind_is_read(mode: str, form: int, tmp_path: Path) -> None:
    names = {**MEMBERS, "deep/" * 30 + "x.png": b"deep"}
    archive = opened_tar(tmp_path, tar_of(names, mode, format=form))
    assert archive.sizes() == {name: len(body) for name, body in names.items()}
    for name, body in reversed(names.items()):
        read = archive.read(name, LIMITS)
        assert read is not None
        assert read.body == body
    assert archive.read("2.png", LIMITS) is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_a_tar_packed_by_zstd_and_two_streams_of_xz(tmp_path: Path) -> None:
    zstd = pytest.importorskip("backports.zstd")
    half = len(TAR) // 2
    xz = lzma.compress(TAR[:half]) + bytes(8) + lzma.compress(TAR[half:])
    for packed in (zstd.compress(TAR), xz):
        assert set(opened_tar(tmp_path, packed).names()) == {n for n, b in MEMBERS.items() if b}


def test_links_and_devices_are_counted_and_none_is_followed(tmp_path: Path) -> None:
    buffer = io.BytesIO(TAR[: TAR.index(b"empty") if b"empty" in TAR else None])
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        for kind, name, target in [
            (tarfile.SYMTYPE, "evil", "/etc/passwd"),
            (tarfile.LNKTYPE, "again.png", "a/1.png"),
            (tarfile.LNKTYPE, "outside", "../../etc/passwd"),
            (tarfile.FIFOTYPE, "pipe", ""),
            (tarfile.DIRTYPE, "folder", ""),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    opened = opened_tar(tmp_path, buffer.getvalue())
    assert opened.others == 3
    read = opened.read("again.png", LIMITS)
    assert read is not None
    assert read.body == b"one"


@pytest.mark.parametrize(
    "data",
    [
        b"<html>please sign in</html>",
        TAR[:700],
        TAR[: TAR.index(b"two") + 100],  # in the middle of a member
        TAR.rstrip(b"\0")[:512] + TAR[512:1024],  # whole members, and no end
        gzip.compress(TAR)[:-20],
        lzma.compress(TAR)[:-20],
        b"\x28\xb5\x2f\xfd" + bytes(40),
        TAR[:1024] + b"x" * 512 + TAR[1536:],  # a header that is damaged hides what is behind it
    ],
)
def test_a_tar_that_is_none_or_cut_is_corrupt(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(RecordMissing) as failed:
        opened_tar(tmp_path, data)
    assert failed.value.outcome is Outcome.CORRUPT
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar"}


def test_a_tar_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imgcrawl.download import tar_reader

    with pytest.raises(RecordMissing) as failed:
        opened_tar(tmp_path, gzip.compress(TAR), maxsize=1000)
    assert failed.value.outcome is Outcome.TOO_LARGE
    monkeypatch.setattr(tar_reader, "BOMB_SIZE", 1 << 20)
    with pytest.raises(RecordMissing, match="would unpack more than 100-fold"):
        opened_tar(tmp_path, gzip.compress(tar_of({"a": bytes(3 << 20)})))
    monkeypatch.setattr(tar_reader, "MAX_MEMBERS", 4)
    assert len(MEMBERS) - 1 == 5
    with pytest.raises(RecordMissing, match="more than 4 members"):
        opened_tar(tmp_path, TAR)
    monkeypatch.undo()
    # A header of a header that says it has 2 GB is not read.
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 2 << 30
    with pytest.raises(RecordMissing, match="a header of 2,147,48"):
        opened_tar(tmp_path, long.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    archive = opened_tar(tmp_path, TAR)
    with pytest.raises(RecordMissing) as failed:
        archive.read("b/2.png", TransferLimits(1, 1, 100, 0))
    assert failed.value.outcome is Outcome.TOO_LARGE


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(TAR) - 1), st.binary(min_size=1, max_size=6))
def test_a_damaged_tar_has_one_word(tmp_path_factory: Any, at: int, junk: bytes) -> None:
    data = TAR[:at] + junk + TAR[at + len(junk) :]
    try:
        archive = opened_tar(tmp_path_factory.getbasetemp(), data)
        for name in archive.names():
            archive.read(name, LIMITS)
    except RecordMissing as error:
        if error.outcome not in {Outcome.CORRUPT, Outcome.TOO_LARGE}:
            raise


def test_an_archive_is_what_was_promised_and_lists_its_sizes(tmp_path: Path) -> None:
    from hashlib import md5

    body = gzip.compress(TAR)
    right = {"md5": md5(body, usedforsecurity=False).hexdigest()}

    async def main(crawler: Crawler) -> int:
        async with Server({"/a.tgz": http(body)}, port=port) as server:
            url = f"tar+{server.url('/a.tgz')}"
            listed = await fetch(crawler, url, archive_index=True, digests=right)
            index = json.loads(listed.body)
            assert index == {"sizes": {n: len(b) for n, b in MEMBERS.items() if b}, "others": 0}
            member = member_url(server.url("/a.tgz"), "b/1.png", "tar")
            assert (await fetch(crawler, member, media=True)).body == b"other"
            return server.count("/a.tgz")

    port = _free_port()
    assert crawl(main, ARCHIVES_DIR=str(tmp_path)) == 1
    assert crawl(main, ARCHIVES_DIR=str(tmp_path)) == 0

    async def lied(crawler: Crawler) -> str:
        async with Server({"/a.tgz": http(body)}, port=port) as server:
            url = f"tar+{server.url('/a.tgz')}"
            return await outcome(crawler, url, digests={"md5": "0" * 32})

    assert crawl(lied, ARCHIVES_DIR=str(tmp_path)) == "corrupt"  # and not what lies there
