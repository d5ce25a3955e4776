from __future__ import annotations

import os
import unicodedata
from itertools import combinations
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.text.filenames import (
    MAX_PART_BYTES,
    MAX_PARTS,
    format_layout,
    layout_fields,
    safe_path,
)

# Text made of what breaks names, as often as of anything else.
NASTY = st.sampled_from(
    [
        *'/\\.: ~*?"<>|\0\n\x7f\ud800\u202e\u200d\ufeffe\u0301é\u212bあ🏳aA',
        "..",
        "CON",
        "con.",
        "C:\\",
    ]
)
TEXTS = st.lists(NASTY | st.text(max_size=3), max_size=30).map("".join)
WORDS = st.text("abXY09 _-,.()~中", min_size=1, max_size=20)


def safe_or_none(path: str) -> str | None:
    try:
        return safe_path(path)
    except ValueError:
        return None


@pytest.mark.parametrize(
    "path",
    [
        "ISIC_0000000",
        "images/ISIC_0000000",
        "Melanoma, NOS/ISIC_0000001",
        "Benign melanocytic proliferations/ISIC_0000002",
        "n01440764/n01440764_10026",
        "黑色素瘤/图像 1",
        "メラノーマ/한국어",
        "naïve café/x",
        "descriptions/ISIC_0000000.json",
        "a.b.c~1",
        "conifer/nullable/com10",
        "-dash",
        "files/cells.ome.zarr/.zgroup",
        "cells.zarr/0/.zarray",
    ],
)
def test_ordinary_names_stay(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize(
    ("path", "start"),
    [
        ("../../etc/passwd", "etc/passwd~"),
        ("/etc/passwd", "etc/passwd~"),
        ("a/../b", "a/b~"),
        ("a//b", "a/b~"),
        ("a/b/", "a/b~"),
        ("..\\..\\windows\\x", "windows/x~"),
        ("nul", "_nul~"),
        ("NUL.txt", "_NUL.txt~"),
        ("com1 .a", "_com1 .a~"),
        ("LPT³", "_LPT³~"),
        ("x. . ", "x~"),
        (".hidden", "hidden~"),
        ("  spaced", "spaced~"),
        ('a:*?"<>|b', "a_______b~"),
        ("a\0b\nc", "a_b_c~"),
        ("a\ud800b", "a_b~"),
        ("evil\u202egnp.exe", "evil_gnp.exe~"),
        ("zero\u200bwidth\ufeff", "zero_width_~"),
        ("cafe\u0301", "café~"),
    ],
)
def test_hostile_names(path: str, start: str) -> None:
    safe = safe_path(path)
    assert safe.startswith(start)
    assert len(safe) == len(start) + 8
    assert int(safe[-8:], 16) >= 0


def test_hash_is_stable() -> None:
    # A changed hash would make every stored file with such a name look missing.
    assert safe_path("../x") == "x~d6b96a97"


def test_surrogates_are_told_apart() -> None:
    assert safe_path("\ud800") != safe_path("\udfff")


def test_changed_folder_keeps_its_files_together() -> None:
    first, second = safe_path("a: b/x"), safe_path("a: b/y")
    assert first.split("/")[0] == second.split("/")[0] != safe_path("a_ b/x").split("/")[0]
    assert first.endswith("/x")


@pytest.mark.parametrize("path", ["", "/", "..", "../..", ". .", "\\", "   ", "./ /.."])
def test_nothing_left(path: str) -> None:
    with pytest.raises(ValueError, match="no usable name"):
        safe_path(path)


def test_long_and_deep() -> None:
    safe = safe_path("/".join(["é" * 4000] * 20))
    parts = safe.split("/")
    assert len(parts) == MAX_PARTS
    assert all(len(part.encode()) <= MAX_PART_BYTES for part in parts)
    assert safe_path("x" * 4000) != safe_path("x" * 4001)
    assert safe_path("é" * 60) == "é" * 60


@given(TEXTS)
def test_never_escapes(path: str) -> None:
    safe = safe_or_none(path)
    if safe is None:
        return
    root = Path("/root/of/it")
    resolved = Path(os.path.normpath(root / safe))
    assert resolved.is_relative_to(root)
    assert resolved != root
    assert not PureWindowsPath(safe).is_absolute()
    assert not PureWindowsPath(safe).drive
    assert unicodedata.is_normalized("NFC", safe)
    parts = safe.split("/")
    assert len(parts) <= MAX_PARTS
    for part in parts:
        assert 0 < len(part.encode("utf-8")) <= MAX_PART_BYTES
        assert part[0] not in ". "
        assert part[-1] not in ". "
        assert not set(part) & set('<>:"|?*\\')
        assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in part)


@given(TEXTS | WORDS)
def test_idempotent(path: str) -> None:
    safe = safe_or_none(path)
    if safe is not None:
        assert safe_path(safe) == safe


@given(st.lists(TEXTS | WORDS, min_size=2, max_size=8, unique=True))
def test_two_names_stay_two(paths: list[str]) -> None:
    for one, other in combinations(paths, 2):
        safe = safe_or_none(one)
        if safe is not None and safe != other and safe_or_none(other) != one:
            assert safe != safe_or_none(other)


def test_writes_below_root_only(tmp_path: Path) -> None:
    root = tmp_path / "out"
    for path in ("../x", "/x", "a/../../x", "..\\x", "~/x", "C:/x", "x" * 4000, "\0", "nul"):
        file = root / safe_path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert sum(p.is_file() for p in root.rglob("*")) == 9


def test_layout() -> None:
    columns = {"diagnosis_1": "Malignant", "isic_id": "ISIC_1", "n": 3, "flag": False}
    assert format_layout("{diagnosis_1}/{isic_id}", columns) == "Malignant/ISIC_1"
    assert format_layout("all/{n}-{flag}_{isic_id}", columns) == "all/3-False_ISIC_1"
    assert layout_fields("{a}/x{b}{a}") == ["a", "b"]
    assert layout_fields("x") == []


@pytest.mark.parametrize("value", [None, "", "  ", "..", "/"])
def test_missing_column_is_unknown(value: str | None) -> None:
    expected = "unknown/1" if value != "/" else "_"
    assert format_layout("{a}/{b}", {"a": value, "b": 1}).startswith(expected)
    assert format_layout("{gone}/{b}", {"b": 1}) == "unknown/1"


def test_values_make_no_folders() -> None:
    columns = {"a": "x/../../y", "b": "C:\\z"}
    path = format_layout("{a}/{b}", columns)
    assert path.count("/") == 1
    assert path.startswith("x_.._.._y~")
    assert format_layout("{a}", {"a": "x/y"}) != format_layout("{a}", {"a": "x_y"})


@given(TEXTS, TEXTS)
def test_layout_of_hostile_values(one: str, other: str) -> None:
    path = format_layout("{a}/{b}", {"a": one, "b": other})
    assert path.count("/") == 1
    assert safe_path(path) == path


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ("{a.b}", "plain"),
        ("{a[0]}", "plain"),
        ("{a!r}", "plain"),
        ("{a:>9}", "plain"),
        ("{a:{b}}", "plain"),
        ("{}", "plain"),
        ("{a", "expected '}'"),
        ("a}", "Single '}'"),
        ("", "relative path"),
        ("/{a}", "relative path"),
        ("../{a}", "relative path"),
        ("{a}/", "relative path"),
        ("a\\{b}", "relative path"),
        ("{a}/" + "b/" * 15 + "{i}", "relative path"),
        ("{a}?", "relative path"),
    ],
)
def test_layout_refused(layout: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        layout_fields(layout)
    with pytest.raises(ValueError, match=words):
        format_layout(layout, {})
