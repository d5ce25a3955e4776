"""What a store lists, and what its documents promise: keys are anybody's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scrapy.http import Response

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.volume import VolumeAddress
from imgcrawl.storage.digests import digests_of
from imgcrawl.volumes.copy.documents import folders_above
from imgcrawl.volumes.copy.grid import grids_below
from imgcrawl.volumes.copy.listing import (
    ListedObject,
    ListingAddress,
    NoListingError,
    list_bucket,
    places,
    problem_of,
    walk,
)
from imgcrawl.volumes.copy.manifest import CopyManifest
from imgcrawl.volumes.copy.object_table import CopiedObject

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = VolumeAddress("s3://bucket/v", "https://bucket.s3.amazonaws.com/v/")


@pytest.mark.parametrize(
    ("shown", "url", "place"),
    [
        ("s3://b/x/y", "https://b.s3.amazonaws.com/x/y/", ("https://b.s3.amazonaws.com/", "x/y/")),
        ("s3://b", "https://b.s3.amazonaws.com/", ("https://b.s3.amazonaws.com/", "")),
        ("s3://b/x y", "http://127.0.0.1:8/s3/b/x%20y/", ("http://127.0.0.1:8/s3/b/", "x y/")),
        ("gs://b/x", "https://storage.googleapis.com/b/x/",
         ("https://storage.googleapis.com/b/", "x/")),
        ("https://b.s3.eu-west-1.amazonaws.com/x/", "https://b.s3.eu-west-1.amazonaws.com/x/",
         ("https://b.s3.eu-west-1.amazonaws.com/", "x/")),
        ("https://s3.amazonaws.com/b/x/", "https://s3.amazonaws.com/b/x/",
         ("https://s3.amazonaws.com/b/", "x/")),
        ("https://uk1s3.embassy.ebi.ac.uk/idr/zarr/1.zarr",
         "https://uk1s3.embassy.ebi.ac.uk/idr/zarr/1.zarr/",
         ("https://uk1s3.embassy.ebi.ac.uk/idr/", "zarr/1.zarr/")),
        ("/data/a.zarr", "file:///data/a.zarr/", None),
        ("https://example.org", "https://example.org/", None),
    ],
)  # fmt: skip
def test_where_the_list_is(shown: str, url: str, place: tuple[str, str] | None) -> None:
    found = places(VolumeAddress(shown, url))
    assert found == ([ListingAddress(*place)] if place else [])


class Server:
    """Lists keys, so many a page."""

    def __init__(self, keys: list[str], page: int) -> None:
        self.keys = sorted(keys, key=lambda key: key.encode())
        self.page = page
        self.asked = 0

    async def __call__(self, url: str) -> Response:
        self.asked += 1
        query = parse_qs(urlsplit(url).query)
        start = int(query.get("continuation-token", ["0"])[0])
        found = [key for key in self.keys if key.startswith(query["prefix"][0])]
        more = start + self.page < len(found)
        inner = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>3</Size><ETag>&quot;e&quot;</ETag></Contents>"
            for key in found[start : start + self.page]
        )
        token = f"<NextContinuationToken>{start + self.page}</NextContinuationToken>"
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(more).lower()}</IsTruncated><Prefix>v/</Prefix>{inner}"
            f"{token if more else ''}</ListBucketResult>"
        )
        return Response(url, body=body.encode())


def listed(ask: Any, below: str = "") -> list[ListedObject]:
    async def collect() -> list[ListedObject]:
        pages = list_bucket(ask, places(ADDRESS)[0], ADDRESS, below)
        return [each async for page in pages for each in page]

    return asyncio.run(collect())


# What XML can hold, and no line ends, which its readers change.
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30
)


@given(st.sets(TEXT.map(lambda text: f"v/{text}"), max_size=20), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_every_key_is_listed_once(keys: set[str], page: int) -> None:
    found = [each.key for each in listed(Server(list(keys), page))]
    wanted = {key.removeprefix("v/") for key in keys if not key.endswith("/")}
    assert len(found) == len(set(found))
    assert set(found) == wanted


def test_sizes_etags_and_addresses() -> None:
    (found,) = listed(Server(["v/s0/a b+c#?%", "w/x"], 10), "s0/")
    url = "https://bucket.s3.amazonaws.com/v/s0/a%20b%2Bc%23%3F%25"
    assert found == ListedObject("s0/a b+c#?%", url, 3, "e")


def test_lists_that_are_none_or_never_end() -> None:
    def answering(status: int, body: bytes) -> Callable[[str], Any]:
        async def ask(url: str) -> Response:
            return Response(url, status=status, body=body)

        return ask

    page = "<ListBucketResult><IsTruncated>true</IsTruncated>{}</ListBucketResult>"
    endless = page.format("<NextContinuationToken>t</NextContinuationToken>")
    key = "<Contents><Key>v/a</Key></Contents><NextContinuationToken>t</NextContinuationToken>"
    for status, body in ((403, b""), (200, b"<html>"), (404, b"<Error/>")):
        with pytest.raises(NoListingError):
            listed(answering(status, body))
    for text in (endless, page.format(key), page.format(""), page.format(key)[:-9]):
        with pytest.raises(RecordMissing) as caught:
            listed(answering(200, text.encode()))
        assert not isinstance(caught.value, NoListingError)


@given(st.text(max_size=300) | st.from_regex(r"(\.{0,2}/?[a-z\\\x00]{0,3}/?){1,5}"))
@settings(max_examples=300, deadline=None)
def test_a_key_without_a_problem_lies_below_its_folder(key: str) -> None:
    if problem_of(key) is None:
        path = Path("/root/folder") / key
        assert path.resolve().is_relative_to("/root/folder")
        assert path.relative_to("/root/folder").as_posix() == key
        assert len(key.encode()) <= 1024


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "..", "../a", "a/../b", "./a", "a//b", "a\0", "a\nb", "a\\b", "\udcff",
     "x" * 241, "a/" * 600 + "a"],
)  # fmt: skip
def test_keys_that_are_refused(key: str) -> None:
    assert problem_of(key)


def manifest(folder: Path) -> CopyManifest:
    def there(key: str) -> int | None:
        path = folder / "copy" / key
        return path.stat().st_size if path.is_file() else None

    return CopyManifest(
        folder / "m.copy", folder / "m.tsv", there, lambda key: digests_of(folder / "copy" / key)
    )


def test_names_that_cannot_stand_side_by_side(tmp_path: Path) -> None:
    plan = manifest(tmp_path).plan(
        [
            ListedObject(key, "", 1)
            for key in ("a", "a/b", "A", "c/d", "C", "c/d/e", "x.y", "x/y", "X.Y")
        ]
    )
    assert [each.key for each in plan.wanted] == ["a", "c/d", "x.y", "x/y"]
    reasons = {each.key: problem for each, problem in plan.refused}
    assert set(reasons) == {"a/b", "A", "C", "c/d/e", "X.Y"}
    assert reasons["A"] == "it differs from a by case only"


def test_what_is_there_is_known_after_a_kill_and_after_the_end(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    objects = [ListedObject(str(n), "", 1, f"tag-{n}") for n in range(5)]
    first = manifest(tmp_path)
    assert len(first.plan(objects).wanted) == 5
    for n in range(3):
        (copy / str(n)).write_bytes(b"x")
    first.keep(CopiedObject("0", 1, "tag-0", 1, digests_of(copy / "0")[1]))
    first.flush()  # and it is killed: 1 and 2 were stored, and are not noted
    second = manifest(tmp_path)
    assert [each.key for each in second.plan(objects).wanted] == ["3", "4"]
    for n in (3, 4):
        (copy / str(n)).write_bytes(b"x")
        second.keep(CopiedObject(str(n), 1, f"tag-{n}", 1, digests_of(copy / str(n))[1]))
    total = second.finish(tmp_path / "temporary")
    assert (total.objects, total.bytes) == (5, 5)
    assert [path.name for path in tmp_path.iterdir()].count("m.copy") == 0
    third = manifest(tmp_path)
    (copy / "2").unlink()
    changed = [*objects[:4], ListedObject("4", "", 1, "another")]
    assert [each.key for each in third.plan(changed).wanted] == ["2", "4"]


def test_a_damaged_manifest_costs_a_look_at_the_disk(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/a").write_bytes(b"x")
    (tmp_path / "m.copy").write_bytes(b"no database" * 500)
    opened = manifest(tmp_path)
    plan = opened.plan([ListedObject("a", "", 1), ListedObject("b", "", 1)])
    assert [each.key for each in plan.wanted] == ["b"]
    opened.close()


def test_md5_finds_what_another_file_of_the_size_is(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/a").write_bytes(b"x")
    md5 = digests_of(tmp_path / "copy/a")[0]
    for etag, wanted in ((md5, 0), ("0" * 32, 1), ("0" * 32 + "-2", 0)):
        for name in tmp_path.glob("m.*"):
            name.unlink()
        opened = manifest(tmp_path)
        assert len(opened.plan([ListedObject("a", "", 1, etag)]).wanted) == wanted
        opened.close()


def promised(documents: dict[str, Any]) -> list[str]:
    async def read(name: str) -> bytes | None:
        return json.dumps(documents[name]).encode() if name in documents else None

    grids = asyncio.run(grids_below(read, ""))
    return sorted(folder + name for folder, grid in grids for name in grid.names())


V2 = {"shape": [3, 4], "chunks": [2, 2]}
V3 = {
    "node_type": "array",
    "shape": [3],
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
}
SCALE = {
    "key": "8_8_8",
    "size": [70, 64, 1],
    "chunk_sizes": [[64, 64, 1]],
    "voxel_offset": [5, 0, 9],
}


@pytest.mark.parametrize(
    ("documents", "keys"),
    [
        ({".zarray": V2}, ["0.0", "0.1", "1.0", "1.1"]),
        ({".zarray": V2 | {"dimension_separator": "/"}}, ["0/0", "0/1", "1/0", "1/1"]),
        ({".zarray": {"shape": [], "chunks": []}}, ["0"]),
        ({"zarr.json": V3}, ["c/0", "c/1"]),
        ({"zarr.json": V3 | {"chunk_key_encoding": {"name": "v2"}}}, ["0", "1"]),
        ({"attributes.json": {"dimensions": [3, 1], "blockSize": [2, 2]}}, ["0/0", "1/0"]),
        ({"info": {"scales": [SCALE]}}, ["8_8_8/5-69_0-64_9-10", "8_8_8/69-75_0-64_9-10"]),
        (
            {"info": {"scales": [SCALE | {"sharding": {"shard_bits": 5}}]}},
            [f"8_8_8/{n:02x}.shard" for n in range(32)],
        ),
        (
            {".zattrs": {"multiscales": [{"datasets": [{"path": "s0"}]}]}, "s0/.zarray": V2},
            ["s0/0.0", "s0/0.1", "s0/1.0", "s0/1.1"],
        ),
        ({".zmetadata": {"metadata": {"a/b/.zarray": V2}}, "a/b/.zarray": V2},
         ["a/b/0.0", "a/b/0.1", "a/b/1.0", "a/b/1.1"]),
        ({".zattrs": {"multiscales": [{"datasets": [{"path": "../../x"}, {"path": 3}, 1]}]}}, []),
        ({".zgroup": {}}, []),
    ],
)  # fmt: skip
def test_keys_that_documents_promise(documents: dict[str, Any], keys: list[str]) -> None:
    assert promised(documents) == keys


@pytest.mark.parametrize(
    "document",
    [
        {".zarray": {"shape": [3], "chunks": [0]}},
        {".zarray": {"shape": [10**12], "chunks": [1]}},
        {".zarray": {"shape": "x"}},
        {"zarr.json": V3 | {"chunk_grid": {"name": "rectilinear"}}},
        {"info": {"scales": [SCALE | {"key": "../x"}]}},
        {"info": {"scales": [SCALE | {"sharding": {"shard_bits": 60}}]}},
    ],
)
def test_documents_that_promise_nonsense(document: dict[str, Any]) -> None:
    with pytest.raises(RecordMissing):
        promised(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**13) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["shape", "chunks", "multiscales", "datasets", "path", "scales", "key", "size",
             "chunk_sizes", "node_type", "chunk_grid", "dimensions", "blockSize", "metadata",
             "labels", "sharding", "shard_bits", "attributes", "ome"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    st.sampled_from([".zarray", ".zattrs", ".zmetadata", "zarr.json", "attributes.json", "info"]),
    JSON,
)
@settings(max_examples=200, deadline=None)
def test_any_document_is_understood_or_refused(name: str, node: Any) -> None:
    async def read(asked: str) -> bytes | None:
        return json.dumps(node).encode() if asked == name else None

    try:
        grids = asyncio.run(grids_below(read, ""))
    except RecordMissing:
        return
    for folder, grid in grids:
        try:
            names = grid.names()
        except RecordMissing:
            continue
        first = next(names, None)
        assert first is None or problem_of(folder + first) is None


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


def test_a_folder_is_walked_in_pages(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"d{n}").mkdir()
        (tmp_path / f"d{n}/f").write_bytes(b"x" * n)
    (tmp_path / "loop").symlink_to(tmp_path)
    found = [each for page in walk(tmp_path) for each in page]
    assert [(each.key, each.size) for each in found] == [("d0/f", 0), ("d1/f", 1), ("d2/f", 2)]
