"""Where volumes are: buckets, servers and folders, as people and neuroglancer write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.volumes.metadata.address import parse_address
from imgcrawl.volumes.metadata.folders import (
    bucket_listing,
    folder_names,
    name_of,
    parent,
    store_of,
    within,
)

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.records.volume import VolumeAddress

S3 = "https://{bucket}.s3.amazonaws.com/"
GCS = "https://storage.googleapis.com/{bucket}/"


def parsed(text: str, *, local: bool = True) -> VolumeAddress:
    return parse_address(text, s3_url=S3, gcs_url=GCS, local=local)


@pytest.mark.parametrize(
    ("text", "shown", "url", "driver"),
    [
        ("s3://b-1/a b/c.zarr", "s3://b-1/a b/c.zarr", S3 + "a%20b/c.zarr/", None),
        ("gs://b-1/x/y/", "gs://b-1/x/y", GCS + "x/y/", None),
        ("s3://b-1", "s3://b-1", S3, None),
        ("precomputed://gs://b-1/x", "gs://b-1/x", GCS + "x/", "neuroglancer_precomputed"),
        ("zarr://s3://b-1/x", "s3://b-1/x", S3 + "x/", None),
        ("zarr2://s3://b-1/x", "s3://b-1/x", S3 + "x/", "zarr"),
        ("n5://https://h.org/x", "https://h.org/x", "https://h.org/x/", "n5"),
        ("gs://b-1/x/|neuroglancer-precomputed:", "gs://b-1/x", GCS + "x/", "*precomputed"),
        ("gs://b-1/x|zarr3:em/s0/", "gs://b-1/x/em/s0", GCS + "x/em/s0/", "zarr3"),
        ("gs://b-1/x/info", "gs://b-1/x", GCS + "x/", None),
        ("https://h.org/a/zarr.json", "https://h.org/a", "https://h.org/a/", None),
        ("https://b-1.s3.us-west-2.amazonaws.com/a%20b", "s3://b-1/a b", "*a%20b/", None),
        ("https://s3.amazonaws.com/b-1/a", "s3://b-1/a", "*com/b-1/a/", None),
        ("https://storage.googleapis.com/b-1/a", "gs://b-1/a", GCS + "a/", None),
        ("https://b-1.storage.googleapis.com/a", "gs://b-1/a", "*com/a/", None),
        ("zarr://s3+https://h.org/b/x", "https://h.org/b/x", "https://h.org/b/x/", None),
        ("gs+xml://b-1/x", "gs://b-1/x", GCS + "x/", None),
        # A certificate for *.s3.amazonaws.com is none for dots.in.it.s3.amazonaws.com.
        ("s3://dots.in.it/a", "s3://dots.in.it/a", "https://s3.amazonaws.com/dots.in.it/a/", None),
    ],
)
def test_what_is_asked_for(text: str, shown: str, url: str, driver: str | None) -> None:
    found = parsed(text)
    assert found.shown == shown
    assert found.url.endswith(url.replace("{bucket}", "b-1").removeprefix("*"))
    assert found.url.startswith("https://")
    assert str(found.driver).endswith(str(driver).removeprefix("*"))


def test_folders_of_this_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a b.zarr"
    folder.mkdir()
    (folder / "zarr.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for text in ("a b.zarr", "./a b.zarr/", str(folder), f"file://{tmp_path}/a%20b.zarr"):
        assert parsed(text).url == f"file://{tmp_path}/a%20b.zarr/"
    assert parsed("~/a b.zarr").shown == str(folder)
    assert parsed("zarr3://./a b.zarr").driver == "zarr3"
    assert parsed(str(folder / "zarr.json")).shown == str(folder)
    for text in (str(folder), f"precomputed://file://{folder}", "../x"):
        with pytest.raises(ValueError, match="may not name one"):
            parsed(text, local=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an address is missing"),
        ("s3://bucket/a/../b", "is no path"),
        ("https://h.org/a/%2e%2e/b", "is no path"),
        ("s3://bucket/a//b", "is no path"),
        ("s3://bu/cket", "cannot be a bucket"),
        ("s3://evil.org:80@x/a", "cannot be a bucket"),
        ("s3://bucket/a?versionId=1", "without \\? and #"),
        ("https://h.org/a?token=1", "without \\? and #"),
        ("https://me:secret@h.org/a", "name or password"),
        ("https:///a", "without a host"),
        ("https://h.org/\x00", "control character"),
        ("https://h.org/%00a", "is no path"),
        ("https://viewer.org/#!%7B%7D", "scrapy crawl neuroglancer"),
        ("graphene://https://h.org/seg", "type the image's address"),
        ("precomputed://middleauth+https://h.org/a", "as CAVE_TOKEN, and CAVE_HOSTS=h.org"),
        ("s3+file:///etc/|zarr2:", r"s3\+file:// cannot be read"),
        ("brainmaps://a:b:c", "cannot be read"),
        ("gcs://bucket/a", "did you mean 'gs'"),
        ("gs://bucket/a|icechunk:x|zarr2:", "icechunk: cannot be read"),
        ("gs://bucket/a|zarr2:../b", "is no path"),
        ("precomputed://gs://bucket/a/" + "b" * 5000, "characters"),
    ],
)
def test_what_is_refused_says_why(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parsed(text)
    assert "secret" not in str(caught.value)


@given(
    st.text(max_size=60) | st.from_regex(r"(s3|gs|https|zarr|n5)://[\w./%?#@|:-]*", fullmatch=True)
)
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    try:
        found = parsed(text, local=False)
    except ValueError:
        return
    assert found.url.startswith(("https://", "http://"))
    assert found.url.endswith("/")
    assert ".." not in folder_names(found)


def test_folders_above_and_below() -> None:
    here = parsed("s3://b-1/x/a.zarr/em/s 0")
    assert folder_names(here) == ["x", "a.zarr", "em", "s 0"]
    above = parent(here)
    assert above is not None
    assert within(above, "s 0") == here
    store, path = store_of(here)
    assert (store.shown, store.url, path) == ("s3://b-1/x/a.zarr", here.url[:-9], "em/s 0")
    assert name_of(store) == "a.zarr"
    assert parent(parsed("s3://b-1")) is None
    assert parent(parsed("https://h.org/")) is None
    assert store_of(parsed("gs://b-1/x/y"))[1] == ""
    for path in ("..", "a/../b", "a\\b", "\x00"):
        with pytest.raises(ValueError):
            within(here, path)


def test_where_a_bucket_is_listed() -> None:
    ask = "?list-type=2&delimiter=%2F&max-keys=1000&prefix="
    s3 = S3.replace("{bucket}", "b-1")
    assert bucket_listing(parsed("s3://b-1/a b/c")) == f"{s3}{ask}a%20b%2Fc%2F"
    assert bucket_listing(parsed("s3://b-1")) == s3 + ask
    assert bucket_listing(parsed("https://h.org/a")) is None


@pytest.mark.parametrize(
    ("text", "shown", "separator"),
    [
        ("https://h.org/a.zarr/|zarr2:#dimension_separator=/", "https://h.org/a.zarr", "/"),
        ("https://h.org/a.zarr/|zarr2:sub#dimension_separator=.", "https://h.org/a.zarr/sub", "."),
        ("zarr2://s3://b-1/a.zarr?dimension_separator=/", "s3://b-1/a.zarr", "/"),
        ("zarr://https://h.org/a?dimension_separator=%2F", "https://h.org/a", "/"),
        ("https://h.org/a.zarr", "https://h.org/a.zarr", ""),
    ],
)
def test_a_link_may_say_how_names_of_chunks_are_joined(
    text: str, shown: str, separator: str
) -> None:
    found = parsed(text)
    assert (found.shown, found.separator) == (shown, separator)
    assert within(found, "s0").separator == separator
