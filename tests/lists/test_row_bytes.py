"""Pictures that lie in a table themselves."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imgcrawl.lists.description import describe
from imgcrawl.lists.listed import ListedPicture, ListedPictures
from imgcrawl.lists.look import find_columns, open_looked_at
from imgcrawl.lists.rows import MalformedRow
from imgcrawl.records.held_body import BodyRoom, HeldBody

if TYPE_CHECKING:
    from pathlib import Path

B = [bytes([n]) * (40 + n) for n in range(9)]
U = "https://h.example/p/1.jpg"


def read(
    tmp_path: Path, rows: list[dict[str, Any]], **given: str
) -> tuple[list[ListedPicture | MalformedRow], list[str]]:
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    with open_looked_at(str(tmp_path / "x.parquet")) as (sample, found):
        columns = find_columns(sample, given, "x")
        pictures = ListedPictures(columns)
        return list(pictures.read(found)), [*describe(sample, columns), *pictures.told()]


SHAPES: dict[str, tuple[Any, list[tuple[str, bytes]]]] = {
    "Hugging Face": (
        [{"image": {"bytes": B[n], "path": f"p{n}.png"}, "label": n} for n in (1, 2)],
        [("p1.png", B[1]), ("p2.png", B[2])],
    ),
    "without names, and an id": (
        [{"id": f"k{n}", "img": {"bytes": B[n], "path": None}} for n in (1, 2)],
        [("k1", B[1]), ("k2", B[2])],
    ),
    "img2dataset": (
        [{"jpg": B[n], "key": f"0000{n}", "url": U} for n in (1, 2)],
        [("00001", B[1]), ("00002", B[2])],
    ),
    "several": (
        [{"images": [{"bytes": B[1], "path": "a"}, {"bytes": B[2], "path": "b"}]}],
        [("a", B[1]), ("b", B[2])],
    ),
    "one of two columns": (
        [{"mask": {"bytes": B[1], "path": "m"}, "image": {"bytes": B[2], "path": "i"}}],
        [("i", B[2])],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_bytes_are_taken_as_they_are(shape: str, tmp_path: Path) -> None:
    rows, expected = SHAPES[shape]
    found, said = read(tmp_path, rows)
    for each, (name, body) in zip(found, expected, strict=True):
        assert isinstance(each, ListedPicture)
        assert (each.id, each.body, each.urls) == (name, body, [])
        assert each.digests == {"sha256": hashlib.sha256(body).hexdigest()}
        assert "\\x0" not in repr(each.metadata)
    assert len({each.place for each in found if isinstance(each, ListedPicture)}) == len(found)
    assert any(f"<{len(expected[0][1])} bytes>" in line for line in said) or "several" in shape
    assert any("there are others in mask.bytes" in line for line in said) == ("two" in shape)


def test_an_empty_cell_has_an_address_or_is_unreadable(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"image": {"bytes": B[1], "path": "a"}},
        {"image": {"bytes": None, "path": U}},
        {"image": {"bytes": None, "path": None}},
    ]
    one, two, three = read(tmp_path, rows)[0]
    assert isinstance(one, ListedPicture)
    assert isinstance(two, ListedPicture)
    assert (two.urls, two.body) == ([U], b"")
    assert isinstance(three, MalformedRow)
    assert three.problem == "no bytes in 'image.bytes', and no URL in 'image.path'"


def test_another_column_is_taken_if_it_is_named(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"mask": {"bytes": B[1]}, "image": {"bytes": B[2]}, "url": U}]
    for url, body in (("mask.bytes", B[1]), ("url", b"")):
        (found,), _ = read(tmp_path, rows, url=url)
        assert isinstance(found, ListedPicture)
        assert found.body == body


def test_a_reader_waits_until_there_is_room() -> None:
    async def main() -> None:
        room = BodyRoom(100)
        held = [HeldBody(b"x" * 60, room), HeldBody(b"x" * 60, room)]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(room.wait(), 0.01)
        waiting = asyncio.create_task(room.wait())
        await asyncio.sleep(0)
        held.pop()
        await asyncio.wait_for(waiting, 1)
        assert room.held == 60

    asyncio.run(main())
