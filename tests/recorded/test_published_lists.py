"""Lists in the shapes in which they are published: each by its columns, ids and records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.lists.listed import ListedPicture, ListedPictures
from imgcrawl.lists.look import find_columns, open_looked_at
from tests.recorded.shapes import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

SHAPES: dict[str, dict[str, Any]] = {
    shape["name"]: shape
    for name in ("tables", "json")
    for shape in json.loads((FOLDER / f"lists/published_{name}.json").read_text())["shapes"]
}


def test_there_are_forty() -> None:
    assert len(SHAPES) >= 40
    assert all(shape["source"] for shape in SHAPES.values())


@pytest.mark.parametrize("name", SHAPES)
def test_a_published_list(name: str, tmp_path: Path) -> None:
    shape = SHAPES[name]
    path = tmp_path / "list"
    path.write_text(shape.get("text") or json.dumps(shape["document"]), newline="")
    with open_looked_at(str(path)) as (sample, rows):
        found = find_columns(sample, shape.get("given", {}), name, shape.get("base", ""))
        pictures = list(ListedPictures(found).read(rows))
    assert found.columns.url == shape["url"]
    listed = [each for each in pictures if isinstance(each, ListedPicture)]
    assert len(pictures) == len(listed) == shape["records"]
    assert listed[0].urls[0] == shape["first"]
    assert len({each.urls[0] for each in listed}) == shape["records"]
    if shape["ids"]:
        assert [each.id for each in listed] == shape["ids"]
