"""Splits of any table: groups as a plain search finds them, every record once, the same again."""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.exports.assign import Group, assign
from imgcrawl.exports.split_request import folds
from tests.exports.test_split import THREE, read, write

if TYPE_CHECKING:
    from pathlib import Path


# Few different values, so that many records meet; among them all that is an empty cell.
CELLS = st.sampled_from([None, "", " ", "a", "b", "c", "d", "=e", "'=e", "1", 1])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "patient": CELLS,
            "lesion": CELLS | st.integers(0, 30),
            "label": st.sampled_from(["nevus", "bcc", "", None]),
            "sha256": st.sampled_from([None, "x", "y"]) | st.integers(0, 200).map(hex),
        }
    ),
    min_size=1,
    max_size=60,
).map(lambda rows: [row | {"record_id": f"r{n:02}"} for n, row in enumerate(rows)])
PAIRS = st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), max_size=6)
RATIOS = st.sampled_from([THREE, folds(5), {"a": 0.5, "b": 0.5}, {"one": 1.0}])


def cell(value: Any) -> str:
    """What a cell of metadata.csv says; a formula has an apostrophe there."""
    text = "" if value is None else str(value).strip()
    return f"'{text}" if text.startswith("=") else text


def components(
    rows: list[dict[str, Any]], columns: tuple[str, ...], pairs: list[tuple[int, int]]
) -> list[set[str]]:
    """The groups, by a search from each record through all that it shares with others."""
    by_value: dict[tuple[str, str], set[str]] = defaultdict(set)
    values: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        for column in ("sha256", *columns):
            if text := cell(row.get(column)):
                by_value[column, text].add(row["record_id"])
                values[row["record_id"]].add((column, text))
    known = {row["record_id"] for row in rows}
    for number, pair in enumerate(pairs):
        both = {f"r{n:02}" for n in pair} & known
        for name in both:
            by_value["duplicates", str(number)].add(name)
            values[name].add(("duplicates", str(number)))
    left, found = set(known), []
    while left:
        group, ahead = set(), [left.pop()]
        while ahead:
            name = ahead.pop()
            group.add(name)
            near = {other for value in values[name] for other in by_value[value]} & left
            left -= near
            ahead += near
        found.append(group)
    return found


def note_duplicates(root: Path, pairs: list[tuple[int, int]]) -> None:
    with (root / "duplicates.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["group", "kind", "record_id"])
        for number, pair in enumerate(pairs):
            writer.writerows((number, "near", f"r{n:02}") for n in pair)


@settings(max_examples=80, deadline=None)
@given(ROWS, PAIRS, RATIOS, st.integers(0, 99), st.sets(st.sampled_from(["patient", "lesion"])))
def test_groups_are_whole_and_every_record_has_one_split(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    pairs: list[tuple[int, int]],
    ratios: dict[str, float],
    seed: int,
    columns: set[str],
) -> None:
    root, again = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("again")
    asked: dict[str, Any] = {
        "ratios": ratios,
        "group": tuple(sorted(columns)),
        "stratify": ("label",),
        "seed": seed,
    }
    for folder in (root, again):
        note_duplicates(folder, pairs)
    figures = write(root, rows, **asked)
    found = read(root)
    assert list(found) == [row["record_id"] for row in rows]
    assert set(found.values()) <= ratios.keys()
    groups = components(rows, asked["group"], pairs)
    assert all(len({found[name] for name in group}) == 1 for group in groups)
    # And no others are held together: an empty cell joins nobody.
    assert figures.groups == sum(len(group) > 1 for group in groups)
    assert figures.largest == max(map(len, groups))
    told = Counter[str]()
    for counts in figures.records.values():
        told.update(counts)
    assert +told == Counter(found.values())
    # On another machine, which reads them in another order, it is the same.
    write(again, random.Random(seed).sample(rows, len(rows)), **asked)
    assert read(again) == found


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, PAIRS, st.integers(0, 99))
def test_only_those_move_whose_groups_have_met(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    more: list[dict[str, Any]],
    pairs: list[tuple[int, int]],
    seed: int,
) -> None:
    root = tmp_path_factory.mktemp("out")
    asked: dict[str, Any] = {"group": ("patient", "lesion"), "stratify": ("label",), "seed": seed}
    write(root, rows, **asked)
    before = read(root)
    # New records, and by now duplicates, may join what was in two splits.
    mixed = [*rows, *(row | {"record_id": f"n{n:02}"} for n, row in enumerate(more))]
    note_duplicates(root, pairs)
    figures = write(root, mixed, **asked)
    after = read(root)
    moved = {name for name, split in before.items() if after[name] != split}
    assert (figures.moved, figures.kept) == (len(moved), len(before) - len(moved))
    for group in components(mixed, asked["group"], pairs):
        assert len({after[name] for name in group}) == 1
        had = Counter(before[name] for name in group & before.keys())
        if len(had) < 2:
            assert not group & moved
        else:  # most of it stays where it was
            (name,) = {after[name] for name in group}
            assert had[name] == max(had.values())
    assert write(root, mixed, **asked).moved == 0
    assert read(root) == after


@pytest.mark.parametrize("first", range(7))
def test_groups_change_places_where_none_can_move(first: int) -> None:
    # Forty patients with three pictures each, of seven classes in turn: to move one of them puts
    # another class off.
    classes = [[(first + 3 * n + k) % 7 for k in range(3)] for n in range(40)]
    groups = [Group(dict(Counter(each))) for each in classes]
    assign(groups, [0.2] * 5)
    totals = Counter(each for some in classes for each in some)
    for split in range(5):
        have = Counter(each for g in groups if g.split == split for each in g.classes)
        for each, total in totals.items():
            assert abs(have[each] / total - 0.2) <= 0.05 + 1e-9
