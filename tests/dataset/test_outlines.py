"""Boxes and segmentations in the columns of a record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.dataset.outlines import Categories, outlines_of

BOXES = [[1, 2, 3, 4], [0.5, 0, 1, 1]]


@pytest.mark.parametrize("wrap", [list, json.dumps], ids=["of a ledger", "of a table"])
def test_what_stands_at_one_place_is_one_annotation(wrap: Any) -> None:
    columns = {"bbox": BOXES, "bbox_label_id": ["16", "9"], "bbox_label": ["cat", None]}
    row = {name: wrap(values) for name, values in columns.items()}
    one, two = outlines_of(row | {"iscrowd": wrap([0, 1])})
    assert (one.category, one.label, one.fields()["area"]) == ("16", "cat", 12)
    assert (two.category, two.label, two.fields()["iscrowd"]) == ("9", "9", 1)


def test_a_segmentation_without_a_box_has_one_around_it() -> None:
    (found,) = outlines_of({"segmentation": [[[4, 9, 1, 2, 3, 3]]]})
    assert found.fields() == {
        "bbox": [1, 2, 3, 7],
        "area": 21,
        "iscrowd": 0,
        "segmentation": [[4, 9, 1, 2, 3, 3]],
    }


@pytest.mark.parametrize(
    ("value", "boxes"),
    [
        ([1, 2, 3, 4], [[1, 2, 3, 4]]),
        ("[1, 2, 3, 4]", [[1, 2, 3, 4]]),
        ("[[1, 2, 3, 4], null, [5, 6, 7, 8]]", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("[1, 2, 3]", []),
        ("[1, 2, 3, NaN]", []),
        ("[1,", []),
        ("a box", []),
        (None, []),
    ],
)
def test_boxes_that_are_none_are_left_out(value: Any, boxes: list[Any]) -> None:
    assert [each.box for each in outlines_of({"bbox": value})] == boxes


@given(
    st.dictionaries(
        st.sampled_from(["bbox", "segmentation", "area"]),
        st.text()
        | st.lists(
            st.none()
            | st.integers()
            | st.lists(st.floats() | st.none())
            | st.dictionaries(st.text(), st.none())
        ),
    )
)
def test_whatever_the_columns_hold_they_are_read(row: dict[str, Any]) -> None:
    for each in outlines_of(row):
        json.dumps(each.fields())
        json.dumps(each.scaled(0.5).fields())


def test_categories_keep_the_numbers_of_their_source() -> None:
    categories = Categories({"0": "background", "90": "toothbrush", "n01440764": "tench"})
    assert categories.number("90", "toothbrush") == 90
    assert categories.number("7", "new") == 7
    assert categories.of_name("tench") == 91
    assert categories.of_name("other") == 92
    assert [each["id"] for each in categories.entries()] == [0, 7, 90, 91, 92]
