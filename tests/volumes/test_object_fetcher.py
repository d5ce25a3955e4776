"""One object of a copy: believed only where it is what its list says."""

from __future__ import annotations

import asyncio
import hashlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import Response
from scrapy.settings import Settings

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.volume import Copy, VolumeAddress
from imgcrawl.volumes.copy.listing import ListedObject
from imgcrawl.volumes.copy.object_fetcher import FetchedObject, ObjectFetcher, copy_file
from imgcrawl.volumes.copy.objects import CopyObjects
from tests.download.harness import engine_of

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy import Request

BODY = b"chunk"
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
URL = "https://a.example/v/0.0"


class Engine:
    """Answers with the next of its responses; the last of them again and again."""

    def __init__(self, *answers: tuple[int, bytes, dict[str, str]]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def download(self, request: Request) -> Response:
        self.asked.append(request.url)
        status, body, headers = self.answers[0]
        if len(self.answers) > 1:
            del self.answers[0]
        return Response(request.url, status, headers, body, request=request)


def fetcher(tmp_path: Path, engine: Engine) -> ObjectFetcher:
    crawler: Any = SimpleNamespace(
        engine=engine_of(engine.download), settings=Settings({"FILE_CONNECTIONS": 2})
    )
    out: Any = SimpleNamespace(partial=tmp_path, parts=tmp_path)
    return ObjectFetcher(crawler, out, "v")


def fetch(tmp_path: Path, engine: Engine, size: int | None, etag: str | None) -> FetchedObject:
    return asyncio.run(fetcher(tmp_path, engine).fetch(ListedObject("0.0", URL, size, etag)))


def test_an_object_is_what_its_list_says(tmp_path: Path) -> None:
    engine = Engine((200, BODY, {"ETag": f'"{MD5}"'}))
    found = fetch(tmp_path, engine, 5, MD5)
    assert found.file.read_bytes() == BODY
    assert (found.size, found.etag, found.tries) == (5, MD5, 1)
    assert found.sha256 == hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("size", "etag", "outcome", "words"),
    [
        (9, None, Outcome.TRUNCATED, "5 bytes came, and its list says 9"),
        (4, None, Outcome.CORRUPT, "5 bytes came, and its list says 4"),
        (5, "0" * 32, Outcome.CORRUPT, f"its MD5 is {MD5}, not {'0' * 32}"),
    ],
)
def test_other_bytes_are_asked_for_three_times_and_refused(
    tmp_path: Path, size: int, etag: str | None, outcome: Outcome, words: str
) -> None:
    engine = Engine((200, BODY, {}))
    with pytest.raises(RecordMissing) as refused:
        fetch(tmp_path, engine, size, etag)
    assert (refused.value.outcome, refused.value.message) == (outcome, words)
    assert refused.value.tries == len(engine.asked) == 3
    assert list(tmp_path.iterdir()) == []


def test_a_cut_body_is_asked_for_again(tmp_path: Path) -> None:
    engine = Engine((200, BODY[:2], {}), (200, BODY, {}))
    assert fetch(tmp_path, engine, 5, None).tries == 2


def test_an_etag_that_the_server_keeps_to_is_no_md5(tmp_path: Path) -> None:
    etag = "0" * 32
    engine = Engine((200, BODY, {"ETag": f'"{etag}"'}))
    objects = fetcher(tmp_path, engine)
    wanted = ListedObject("0.0", URL, 5, etag)
    assert asyncio.run(objects.fetch(wanted)).tries == 2
    assert asyncio.run(objects.fetch(wanted)).tries == 1  # which has been learnt


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
    ],
)
def test_the_etag_of_what_a_store_encrypts_is_no_md5(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    assert fetch(tmp_path, Engine((200, BODY, headers)), 5, "0" * 32).tries == 1


def test_an_object_replaced_meanwhile_is_taken_whole(tmp_path: Path) -> None:
    found = fetch(tmp_path, Engine((200, BODY, {"ETag": f'"{MD5}"'})), 400, "0" * 32)
    assert (found.size, found.etag) == (5, MD5)


def test_a_page_in_place_of_a_chunk_is_no_object(tmp_path: Path) -> None:
    engine = Engine((200, b"<html><title>Log in</title></html>", {}))
    with pytest.raises(RecordMissing, match="no object but an HTML page") as refused:
        fetch(tmp_path, engine, None, None)
    assert (refused.value.outcome, len(engine.asked)) == (Outcome.NOT_IMAGE, 1)


def test_a_status_is_an_outcome(tmp_path: Path) -> None:
    with pytest.raises(RecordMissing, match="HTTP 404") as refused:
        fetch(tmp_path, Engine((404, b"", {})), 5, None)
    assert (refused.value.outcome, refused.value.status) == (Outcome.NOT_FOUND, 404)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "probe", "absent", "asked"),
    [(404, 403, True, 0), (500, 403, False, 0), (403, 403, True, 1), (403, 404, False, 1)],
)
def test_403_means_absence_where_nothing_answers_otherwise(
    tmp_path: Path, status: int, probe: int, absent: bool, asked: int
) -> None:
    engine = Engine((probe, b"", {}))
    address = VolumeAddress("https://a.example/v", "https://a.example/v/")
    objects = CopyObjects(fetcher(tmp_path, engine), Copy(address))
    error = RecordMissing(Outcome.FORBIDDEN, f"HTTP {status}", status)

    async def ask() -> list[bool]:
        return [await objects.is_absent(error) for _ in range(3)]

    assert asyncio.run(ask()) == [absent] * 3
    assert len(engine.asked) == asked


def test_a_file_of_this_machine_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(BODY)
    found = copy_file(source, tmp_path / "target")
    assert (found.file.read_bytes(), found.size) == (BODY, 5)
    with pytest.raises(FileNotFoundError):
        copy_file(tmp_path / "nothing", tmp_path / "other")
    assert not (tmp_path / "other").exists()
