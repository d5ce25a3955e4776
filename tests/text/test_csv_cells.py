from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.text.csv_cells import safe_cell

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
BEGINNINGS = st.sampled_from(
    [*SIGNS, *"\t\r\n \0\ufeff\u200b\xa0'", "-5", "1e", "\ud800", ""],
)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "True"),
        (False, "False"),
        (-5, "-5"),
        (-1.5e-9, "-1.5e-09"),
        (0.1, "0.1"),
        ("", ""),
        ("ISIC_0000000", "ISIC_0000000"),
        ("Melanoma, NOS", "Melanoma, NOS"),
        ('say "hi"', 'say "hi"'),
        ("5-3", "5-3"),
        ("a=b", "a=b"),
        ("-5", "-5"),
        ("+1.5e3", "+1.5e3"),
        ("-.5", "-.5"),
        ("=1+1", "'=1+1"),
        ("-5+cmd|' /C calc'!A0", "'-5+cmd|' /C calc'!A0"),
        ("+", "'+"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\xa0=1", "'\xa0=1"),
        ("\ufeff=1", "'\ufeff=1"),
        ("\0=1", "'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("\uff0d5", "'\uff0d5"),
        ("\tx", "'\tx"),
        ("\nx", "'\nx"),
        ("\rx", "'\nx"),
        (" \n x", "' \n x"),
        ("a\r\nb\rc\td", "a\nb\nc\td"),
        ("a\0\x07\x1b[31mb\x85", "a[31mb"),
        ("a\ud800b", "a\ufffdb"),
        ({"b": 1, "a": ["é", None]}, '{"a":["é",null],"b":1}'),
        ([], "[]"),
        (Path("a/b"), "a/b"),
    ],
)
def test_cell(value: object, cell: str) -> None:
    assert safe_cell(value) == cell


@given(BEGINNINGS, BEGINNINGS, st.text())
def test_no_formula_leaves(first: str, second: str, rest: str) -> None:
    cell = safe_cell(first + second + rest)
    # What spreadsheets pass over, and line ends of any kind.
    start = cell.lstrip("\ufeff\u200b \xa0")[:1]
    if start and start in SIGNS + "\t\r\n":
        assert re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", cell)
    assert not re.search(r"[\0-\x08\x0b-\x1f\x7f-\x9f]", cell)
    assert safe_cell(cell) == cell


@given(st.lists(JSON_VALUES, min_size=1, max_size=5))
def test_any_value_can_be_written_and_read(values: list[object]) -> None:
    cells = [safe_cell(value) for value in values]
    file = io.BytesIO()
    with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        csv.writer(text).writerow(cells)
        text.flush()
        data = file.getvalue()
    assert list(csv.reader(io.StringIO(data.decode(), newline=""))) == [cells]


@given(st.dictionaries(st.text("ab"), st.integers()))
def test_json_does_not_depend_on_order(value: dict[str, int]) -> None:
    cell = safe_cell(value)
    assert json.loads(cell) == value
    assert safe_cell(dict(reversed(value.items()))) == cell
