"""The picture of the rooms shows what imports what."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from docs.generate.rooms import PICTURE, Rooms, draw, read_rooms, room_of, shape
from tests.conftest import ROOT


def rooms(**imports: str) -> Rooms:
    made = Rooms(dict.fromkeys(imports, 2), defaultdict(set))
    for room, targets in imports.items():
        made.imports[room] |= set(targets.split())
    return made


def test_the_picture_is_that_of_the_code() -> None:
    drawn = shape(PICTURE.read_text("utf-8"))
    assert shape(draw(read_rooms())) == drawn, "make docs-pictures draws it anew"


def test_every_room_is_described() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    described = {
        name.strip("`/").removeprefix("imgcrawl/") for name in re.findall(r"`[^`|]+`", page)
    }
    names = {room.removeprefix("imgcrawl.").replace(".", "/") for room in read_rooms().modules}
    assert {name for name in names if {name, f"{name}.py"}.isdisjoint(described)} == set()


def test_floors_and_what_follows_from_others() -> None:
    made = rooms(a="b c d", b="c", c="d", d="", e="d")
    assert made.floors() == {"a": 3, "b": 2, "c": 1, "d": 0, "e": 1}
    assert made.drawn() == [("a", "b"), ("b", "c"), ("c", "d"), ("e", "d")]


def test_a_circle_is_no_floor() -> None:
    with pytest.raises(ValueError, match="a circle of rooms: a -> b -> a"):
        rooms(a="b", b="a").floors()


@pytest.mark.parametrize(
    ("module", "room"),
    [
        ("imgcrawl", None),
        ("imgcrawl.settings", "imgcrawl.settings"),
        ("imgcrawl.volumes.crop.box", "imgcrawl.volumes"),
        ("spiders.isic", "spiders"),
        ("spiders.base.page", "spiders.base"),
        ("replicas.web", "replicas"),
    ],
)
def test_rooms_of_modules(module: str, room: str | None) -> None:
    assert room_of(module) == room
