"""Looking at a list before it is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.lists import look as room
from imgcrawl.lists.look import look, open_looked_at
from imgcrawl.lists.reader import open_rows

if TYPE_CHECKING:
    from pathlib import Path


def contest(n: int, word: str) -> str:
    notes = [{"image_id": each, "category_id": 1} for each in range(n)]
    images = [{"id": each, "coco_url": f"http://a.example/{word}{each}.jpg"} for each in range(3)]
    return json.dumps({"annotations": notes, "images": images})


@pytest.mark.parametrize(("n", "times"), [(20_000, 1), (20, 2)])
def test_a_list_is_gone_through_once_before_it_is_read(
    n: int, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []

    def counted(*what: Any) -> Any:
        opened.append(what)
        return open_rows(*what)

    monkeypatch.setattr(room, "open_rows", counted)
    path = tmp_path / "list.json"
    path.write_text(contest(n, "a"))
    assert look(str(path)).rows == n + 3
    with open_looked_at(str(path)) as (sample, rows):
        assert sample.rows == sum(1 for _ in rows) == n + 3
    assert len(opened) == times + 1  # and once to be read
    # One that was written anew is another list, under whatever name.
    path.write_text(contest(n, "bb"))
    with open_looked_at(str(path)) as (sample, _):
        assert "bb0" in str(sample.tables["images"][0])
