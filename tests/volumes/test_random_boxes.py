"""Random boxes that can be drawn again, and how much of one is tissue."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.volumes.crop.foreground import ForegroundEstimate, map_box
from imgcrawl.volumes.crop.random_boxes import draw
from tests.volumes.test_box import LEVEL

if TYPE_CHECKING:
    from imgcrawl.records.volume import Level, Zyx


@given(st.integers(0, 2**63), st.integers(0, 10**9), st.tuples(*[st.integers(1, 100)] * 3))
def test_every_draw_lies_within(seed: int, number: int, shape: Zyx) -> None:
    level = replace(LEVEL, offset=(-7, 0, 1 << 30))
    origin = draw(level, shape, seed, number)
    for start, side, offset, most in zip(origin, shape, level.offset, level.shape, strict=True):
        assert offset <= start
        assert start + side <= offset + most


def test_draws_never_change() -> None:
    # What was published with a seed must be found again by every version.
    found = [draw(LEVEL, (10, 20, 30), 7, number) for number in range(3)]
    assert found == [(44, 103, 89), (76, 40, 44), (38, 0, 254)]


def test_draws_are_uniform() -> None:
    level = replace(LEVEL, shape=(10, 3, 4))
    counts = Counter(draw(level, (7, 2, 4), 1, number) for number in range(8000))
    assert len(counts) == 4 * 2 * 1
    assert all(850 < count < 1150 for count in counts.values())  # 1000, give or take 5 sigma


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit into 100 along z"):
        draw(LEVEL, (101, 1, 1), 0, 0)


class Volume:
    """A pyramid in memory, and how many voxels of it were read."""

    def __init__(self, finest: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], n: int) -> None:
        self.arrays = {f"s{i}": finest[:: 1 << i, :: 1 << i, :: 1 << i] for i in range(n)}
        self.levels = [
            replace(LEVEL, name=name, shape=array.shape, encoding="jpeg")
            for name, array in self.arrays.items()
        ]
        self.most = 0

    async def read(
        self, level: Level, origin: Zyx, shape: Zyx
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        self.most = max(self.most, prod(shape))
        z, y, x = (slice(a, a + n) for a, n in zip(origin, shape, strict=True))
        found = self.arrays[level.name][z, y, x]
        assert found.shape == shape
        return found[None]


def tissue(background: int) -> Volume:
    """Tissue in the middle, of 128^3 voxels."""
    array = np.full((128, 128, 128), background, np.uint8)
    rng = np.random.default_rng(1)
    array[32:96, 32:96, 32:96] = rng.integers(60, 200, (64, 64, 64))
    array[:8, :8, :8] += 2  # what JPEG makes of it
    return Volume(array, 3)


@pytest.mark.parametrize("background", [0, 250])
def test_foreground_is_what_differs_from_the_background(background: int) -> None:
    volume = tissue(background)
    judge = ForegroundEstimate(volume.levels, volume.read)
    finest = volume.levels[0]

    def share(origin: Zyx, side: int) -> float:
        return asyncio.run(judge.foreground(finest, origin, (side,) * 3))

    assert share((0, 0, 0), 24) == 0
    assert share((40, 40, 40), 40) == 1
    assert share((32, 32, 0), 64) == pytest.approx(0.5, abs=0.05)
    assert share((0, 0, 0), 128) == pytest.approx(0.125, abs=0.02)
    assert volume.most <= 64**3


def test_a_volume_full_of_tissue_has_no_background() -> None:
    rng = np.random.default_rng(2)
    volume = Volume(rng.integers(50, 250, (64, 64, 64), np.uint8), 2)
    judge = ForegroundEstimate(volume.levels, volume.read)
    assert asyncio.run(judge.foreground(volume.levels[0], (0, 0, 0), (64, 64, 64))) == 1


@given(st.tuples(*[st.integers(1, 300)] * 3), st.tuples(*[st.integers(1, 300)] * 3), st.data())
def test_a_box_has_its_place_in_every_level(fine: Zyx, coarse: Zyx, data: st.DataObject) -> None:
    one = replace(LEVEL, shape=fine, offset=(5, 0, 9))
    other = replace(LEVEL, shape=coarse, offset=(-3, 1, 0))
    sides = [data.draw(st.integers(1, most)) for most in fine]
    starts = [data.draw(st.integers(0, m - s)) for m, s in zip(fine, sides, strict=True)]
    origin = (starts[0] + 5, starts[1], starts[2] + 9)
    first, shape = map_box(one, other, origin, (sides[0], sides[1], sides[2]))
    for start, side, offset, most in zip(first, shape, other.offset, coarse, strict=True):
        assert side >= 1
        assert offset <= start
        assert start + side <= offset + most
