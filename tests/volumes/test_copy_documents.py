"""The documents of a copy, and of the folders above it."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import Response

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.volume import Copy, VolumeAddress
from imgcrawl.storage.local import LocalStorage
from imgcrawl.volumes.copy.documents import CopyDocuments, SharedDocuments, folders_above

if TYPE_CHECKING:
    from pathlib import Path


def test_folders_above_have_a_place_as_far_as_the_names_agree() -> None:
    url = "https://b.s3.amazonaws.com/jrc/x.zarr/em/s3/"
    base = "https://b.s3.amazonaws.com/jrc/x.zarr/"
    assert folders_above(url, "x.zarr/em/s3") == [(f"{base}em/", "x.zarr/em"), (base, "x.zarr")]
    assert folders_above(url, "jrc/x.zarr/em/s3") == [
        (f"{base}em/", "jrc/x.zarr/em"),
        (base, "jrc/x.zarr"),
    ]
    assert folders_above(url, "copies/em/s3") == [(f"{base}em/", "copies/em")]
    assert folders_above(url, "copies/s3") == []
    assert folders_above(url, "s3") == []


class Objects:
    """Documents by URL, in place of an `ObjectFetcher`."""

    def __init__(self, folder: Path, bodies: dict[str, bytes]) -> None:
        self.folder, self.bodies = folder, bodies
        self.asked: list[str] = []

    async def document(self, url: str) -> tuple[bytes | None, Response]:
        self.asked.append(url)
        await asyncio.sleep(0)
        return self.bodies.get(url), Response(url, headers={"ETag": 'W/"e1"'})

    def new_file(self) -> Path:
        return self.folder / f"{len(self.asked)}.object"


URL = "https://a.example/v.zarr/s0/"
GROUP = b'{"zarr_format": 2}'


def documents_of(
    tmp_path: Path, bodies: dict[str, bytes]
) -> tuple[Objects, SharedDocuments, list[CopyDocuments]]:
    out = tmp_path / "out"
    out.mkdir()
    objects: Any = Objects(tmp_path, bodies)
    shared = SharedDocuments(LocalStorage(out))
    address = VolumeAddress(URL, URL, "zarr")
    return (
        objects,
        shared,
        [CopyDocuments(shared, objects, Copy(address), out, "v.zarr/s0") for _ in range(2)],
    )


def test_the_documents_above_two_copies_are_fetched_once(tmp_path: Path) -> None:
    above = "https://a.example/v.zarr/"
    bodies = {f"{above}.zgroup": GROUP, f"{above}.zattrs": b"<html>no document</html>"}
    objects, _, copies = documents_of(tmp_path, bodies)

    async def fetch() -> None:
        await asyncio.gather(*(copy.fetch_above() for copy in copies))

    asyncio.run(fetch())
    assert sorted(objects.asked) == sorted(
        f"{above}{name}" for name in (".zgroup", ".zattrs", ".zarray", ".zmetadata")
    )
    assert [path.name for path in (tmp_path / "out/v.zarr").iterdir()] == [".zgroup"]
    for copy in copies:
        assert copy.kept("../.zgroup") == GROUP
        assert copy.kept("../.zattrs") is None


def test_a_failed_fetch_of_documents_above_is_made_again(tmp_path: Path) -> None:
    objects, _, (copy, _) = documents_of(tmp_path, {"https://a.example/v.zarr/.zgroup": GROUP})

    async def refuse(url: str) -> tuple[bytes | None, Response]:
        raise RecordMissing(Outcome.SERVER_ERROR, "HTTP 500", 500)

    async def fetch() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(objects, "document", refuse)
            with pytest.raises(RecordMissing):
                await copy.fetch_above()
        await copy.fetch_above()

    asyncio.run(fetch())
    assert copy.kept("../.zgroup") == GROUP


def test_a_document_of_the_copy_is_a_json_object(tmp_path: Path) -> None:
    body = b'{"shape": [1]}'
    objects, _, (copy, _) = documents_of(tmp_path, {f"{URL}.zarray": body, f"{URL}.zattrs": b"[]"})
    found = asyncio.run(copy.fetch(".zarray"))
    assert found is not None
    arrived, etag = found
    assert (arrived.file.read_bytes(), arrived.size, etag) == (body, len(body), "e1")
    assert arrived.sha256 == hashlib.sha256(body).hexdigest()
    assert copy.kept(".zarray") == body
    assert asyncio.run(copy.fetch(".zattrs")) is None
    assert asyncio.run(copy.fetch(".zgroup")) is None
    assert objects.asked == [f"{URL}{name}" for name in (".zarray", ".zattrs", ".zgroup")]


def test_the_names_of_a_copys_documents_go_from_the_top_down(tmp_path: Path) -> None:
    _, _, (copy, _) = documents_of(tmp_path, {})
    assert copy.own(()) == [".zgroup", ".zattrs", ".zarray", ".zmetadata"]
    folders = [name.rpartition("/")[0] for name in copy.own(("a/b/", "a/c"))]
    assert list(dict.fromkeys(folders)) == ["", "a", "a/b", "a/c"]
