"""Where lists lie: folders, globs, names with commas, archives, the Hub."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.lists.opening import split_member
from imgcrawl.lists.parts import name_of_parts, parts_of
from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.rows import Row
from imgcrawl.records.errors import ArgumentError, SourceError
from imgcrawl.sources.hugging_face import HubAddress, parquet_of

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("part-1.parquet", "part-0.parquet", "more/x.csv.gz", "a,b.csv")
BESIDE = ("README.txt", "LICENSE.txt", ".hidden.csv", "_SUCCESS", "picture.jpg", "_tmp/x.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*NAMES, *BESIDE):
        path = tmp_path / "laion" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("url\n")
    return tmp_path / "laion"


def test_the_parts_of_a_list(folder: Path) -> None:
    assert parts_of(str(folder)) == [str(folder / name) for name in sorted(NAMES)]
    parquet = [str(folder / name) for name in ("part-0.parquet", "part-1.parquet")]
    assert parts_of(f"{folder}/*.parquet") == parquet
    assert parts_of(f"{folder}/part-[0-9].parquet") == parquet
    assert parts_of(f"{parquet[1]}, {parquet[0]}") == parquet[::-1]
    assert parts_of(f"{folder}/a,b.csv") == [f"{folder}/a,b.csv"]
    assert parts_of(f"{folder}/**/*.gz,{folder}/part-*") == [f"{folder}/more/x.csv.gz", *parquet]
    address = "https://a.example/x,y.csv"
    assert parts_of(address) == [address]
    assert parts_of(f"{address},s3://b/c.csv") == ["https://a.example/x,y.csv,s3://b/c.csv"]
    two = "https://a.example/x.csv,s3://b/c.csv"
    assert parts_of(two) == two.split(",")
    assert parts_of("-") == ["-"]
    assert parts_of("gone.csv") == ["gone.csv"]  # which cannot be opened
    with pytest.raises(ArgumentError, match="no file"):
        parts_of(f"{folder}/*.tsv")
    (folder / "empty").mkdir()
    with pytest.raises(ArgumentError, match="without lists"):
        parts_of(f"{folder}/empty")


def test_the_name_of_them_all(folder: Path) -> None:
    assert name_of_parts(f"{folder}/") == str(folder)
    assert name_of_parts(f"{folder}/part-*.parquet") == "part"
    assert name_of_parts(f"{folder}/*.parquet") == "laion"
    both = f"{folder}/part-0.parquet,{folder}/part-1.parquet"
    assert name_of_parts(both) == f"{folder}/part-0.parquet"
    assert name_of_parts("hf://datasets/acme/pets") == "hf://datasets/acme/pets"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_members_of_tars(mode: str, tmp_path: Path) -> None:
    ending = mode.partition(":")[2]
    path = tmp_path / f"lists.tar{'.' * bool(ending)}{ending}"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name in ("README.md", "x/one.csv", "x/two.csv"):
            data = f"url\nhttp://a.example/{name}\n".encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    name, member = split_member(f"{path}#two.csv")
    with open_rows(name, member) as rows:
        assert [row.fields for row in rows if isinstance(row, Row)] == [
            {"url": "http://a.example/x/two.csv"}
        ]
    for member, words in (("", "name one"), ("three.csv", "no member")):
        with pytest.raises(ArgumentError, match=words), open_rows(str(path), member) as rows:
            list(rows)


def test_addresses_on_the_hub() -> None:
    base = "https://hub.example"
    assert HubAddress.of("hf://datasets/acme/pets").url(base) == (
        "https://hub.example/api/datasets/acme/pets/parquet"
    )
    assert HubAddress.of("hf://datasets/acme/pets@v1/data/a b.csv").url(base) == (
        "https://hub.example/datasets/acme/pets/resolve/v1/data/a%20b.csv"
    )
    with pytest.raises(ArgumentError, match="type hf://datasets/OWNER/NAME"):
        HubAddress.of("hf://acme/pets")
    answer = {"other": {"x": ["0"]}, "default": {"train": ["1", "2"], "test": ["3"]}}
    assert parquet_of(answer, "x") == {"1": "train", "2": "train", "3": "test"}
    nothing: Any
    for nothing in ({}, [], {"default": {}}, {"error": "gated"}):
        with pytest.raises(SourceError, match="no Parquet of acme/pets"):
            parquet_of(nothing, "acme/pets")
