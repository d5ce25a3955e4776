"""Boxes and sizes as people type them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import Level, VolumeAddress
from imgcrawl.volumes.crop.box import (
    Box,
    box_in_level,
    clip,
    format_box,
    parse_box,
    parse_size,
    size_in_level,
)

LEVEL = Level(
    name="s0",
    address=VolumeAddress("s3://b/a.zarr/s0", "https://b/a.zarr/s0/"),
    driver="zarr",
    axes=("z", "y", "x"),
    shape=(100, 200, 300),
    dtype="uint8",
    chunk=(64, 64, 64),
    sha256="",
    voxel_nm=(2.96, 4.0, 4.0),
)


@pytest.mark.parametrize(
    ("text", "origin", "shape"),
    [
        ("0:10,20:40,30:60", (0, 20, 30), (10, 20, 30)),
        (" 0:10 , 20:40 ,30:60", (0, 20, 30), (10, 20, 30)),
        # What a length cuts is taken as a whole.
        ("0:29.6nm,4:9nm,8nm:9nm", (0, 1, 2), (10, 2, 1)),
        ("0:10,0:0.4um,0.4um:1.2µm", (0, 0, 100), (10, 100, 200)),
        ("0:8.88nm,0:1,0:1", (0, 0, 0), (3, 1, 1)),
        ("1000nm:1000.001nm,0:1,0:1", (337, 0, 0), (1, 1, 1)),
    ],
)
def test_a_box_in_voxels_or_lengths(
    text: str, origin: tuple[int, int, int], shape: tuple[int, int, int]
) -> None:
    assert box_in_level(parse_box(text), LEVEL) == (origin, shape)


def test_a_box_in_lengths_means_the_same_at_every_level() -> None:
    assert parse_box("0:8nm,0:8nm,0:8nm").in_lengths
    assert not parse_box("0:8,0:8nm,0:8nm").in_lengths


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "three ranges"),
        ("0:1,0:1", "three ranges"),
        ("0:1,0:1,5", "is no range"),
        ("0:1,0:1,5:-5", "ends where it begins, or before"),
        ("0:1,9:3,0:5", "y: '9:3' ends where it begins, or before"),
        ("3:3,0:1,0:5", "ends where it begins"),
        ("0:1.5,0:1,0:5", "no number of voxels"),
        ("0nm:800,0:1,0:5", "begins with a unit and ends without"),
        ("0:1km,0:1,0:5", "is no number"),
        ("0:nan,0:1,0:5", "is no number"),
        ("0:1e5,0:1,0:5", "is no number"),
        (f"0:{10**15},0:1,0:5", "no volume is that large"),
        ("0:100000,0:100000,0:100000", "more than one crop may have"),
    ],
)
def test_what_is_no_box_says_what_to_type(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_box(text)


def test_sizes_in_voxels_or_lengths() -> None:
    assert size_in_level(parse_size("10,20,30"), LEVEL) == (10, 20, 30)
    assert size_in_level(parse_size("64"), LEVEL) == (64, 64, 64)
    assert size_in_level(parse_size("59.2nm,0.1um,1nm"), LEVEL) == (20, 25, 1)
    for text in ("0", "-1", "1,2", "1,2,3,4", "a", "1.5", "0nm", str(10**14)):
        with pytest.raises(ValueError):
            parse_size(text)


def test_what_is_no_size_says_what_to_type() -> None:
    with pytest.raises(ValueError, match="'5x5x5' is no size; type voxels or lengths, as in 100,"):
        parse_size("5x5x5")


def test_a_volume_may_begin_below_0() -> None:
    moved = replace(LEVEL, offset=(-30, -5, 0))
    asked = box_in_level(parse_box("-30:10,-40nm:40nm,0:10"), moved)
    assert asked == ((-30, -10, 0), (40, 20, 10))
    assert clip(moved, *asked) == ((-30, -5, 0), (40, 15, 10))
    assert clip(LEVEL, *asked) == ((0, 0, 0), (10, 10, 10))


def test_lengths_need_a_voxel_size() -> None:
    unknown = replace(LEVEL, voxel_nm=(None, 4.0, 4.0))
    with pytest.raises(SourceError, match="along z: type voxels"):
        box_in_level(parse_box("0:8nm,0:8nm,0:8nm"), unknown)
    assert box_in_level(parse_box("0:8,0:8nm,0:8nm"), unknown)[1] == (8, 2, 2)


def test_a_box_is_clipped_to_the_level_or_refused() -> None:
    moved = replace(LEVEL, offset=(10, -5, 0))
    assert clip(moved, (0, 0, 290), (20, 500, 20)) == ((10, 0, 290), (10, 195, 10))
    assert clip(LEVEL, (1, 2, 3), (4, 5, 6)) == ((1, 2, 3), (4, 5, 6))
    with pytest.raises(SourceError, match="which has 10:110,-5:195,0:300"):
        clip(moved, (0, 0, 0), (10, 10, 10))


_SIDE = st.integers(0, 400)


@given(st.tuples(_SIDE, _SIDE, _SIDE), st.tuples(*[st.integers(1, 400)] * 3))
def test_clipping_leaves_what_both_have(
    origin: tuple[int, int, int], shape: tuple[int, int, int]
) -> None:
    text = format_box(origin, shape)
    assert box_in_level(parse_box(text), LEVEL) == (origin, shape)
    try:
        first, sides = clip(LEVEL, origin, shape)
    except SourceError:
        assert any(start >= most for start, most in zip(origin, LEVEL.shape, strict=True))
        return
    for start, side, asked, length, most in zip(
        first, sides, origin, shape, LEVEL.shape, strict=True
    ):
        assert set(range(start, start + side)) == set(range(asked, asked + length)) & set(
            range(most)
        )


@given(st.text(alphabet="0123456789:,.-nmuµ e", max_size=40))
def test_any_text_is_a_box_or_an_error(text: str) -> None:
    try:
        box = parse_box(text)
    except ValueError:
        return
    assert isinstance(box, Box)
    assert all(each.start < each.stop for each in box.ranges)
