"""Blocks cover a box exactly once, and cut no chunk in two."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.volumes.crop.blocks import MAX_CHUNKS, BlockSide, plan


@st.composite
def sides(draw: st.DrawFn) -> BlockSide:
    first = draw(st.integers(-20, 20))
    start = first + draw(st.integers(0, 30))
    return BlockSide(start, start + draw(st.integers(1, 15)), first, draw(st.integers(1, 12)))


@settings(deadline=None)
@given(
    st.lists(sides(), min_size=1, max_size=4),
    st.sampled_from([1, 2, 8]),
    st.integers(1, 20000),
    st.booleans(),
)
def test_blocks_cover_the_box_once_with_whole_chunks(
    box: list[BlockSide], itemsize: int, limit: int, curved: bool
) -> None:
    blocks = plan(box, itemsize, limit, curved=curved)
    seen = np.zeros([side.stop - side.start for side in box], np.uint8)
    count = 0
    for block in blocks:
        count += 1
        seen[
            tuple(
                slice(a - side.start, b - side.start)
                for a, b, side in zip(block.start, block.stop, box, strict=True)
            )
        ] += 1
        for a, b, side in zip(block.start, block.stop, box, strict=True):
            assert a == side.start or (a - side.first) % side.chunk == 0
            assert b == side.stop or (b - side.first) % side.chunk == 0
        chunks = list(blocks.chunks(block))
        assert len(chunks) == block.chunks <= MAX_CHUNKS
        assert sum(prod(chunk.shape) for chunk in chunks) == prod(block.shape)
        assert prod(block.shape) * itemsize <= limit or block.chunks == 1
    assert count == len(blocks)
    assert (seen == 1).all()
    assert sum(block.chunks for block in blocks) == prod(side.chunks for side in box)
