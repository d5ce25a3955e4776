"""What a store lists, and what its documents promise: keys are anybody's."""

from __future__ import annotations

import asyncio
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
from imgcrawl.volumes.copy.listing import (
    ListedObject,
    ListingAddress,
    NoListingError,
    key_problem,
    list_bucket,
    listing_addresses,
    walk_folder,
)

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
    found = listing_addresses(VolumeAddress(shown, url))
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
        pages = list_bucket(ask, listing_addresses(ADDRESS)[0], ADDRESS, below)
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


@pytest.mark.slow
@given(st.text(max_size=300) | st.from_regex(r"(\.{0,2}/?[a-z\\\x00]{0,3}/?){1,5}"))
@settings(max_examples=300, deadline=None)
def test_a_key_without_a_problem_lies_below_its_folder(key: str) -> None:
    if key_problem(key) is None:
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
    assert key_problem(key)


def test_a_folder_is_walked_in_pages(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"d{n}").mkdir()
        (tmp_path / f"d{n}/f").write_bytes(b"x" * n)
    (tmp_path / "loop").symlink_to(tmp_path)
    found = [each for page in walk_folder(tmp_path) for each in page]
    assert [(each.key, each.size) for each in found] == [("d0/f", 0), ("d1/f", 1), ("d2/f", 2)]
