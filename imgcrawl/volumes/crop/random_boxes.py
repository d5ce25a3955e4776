"""Random boxes that can be drawn again: each follows from the seed and its number alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.records.volume import Level, Zyx


def draw(level: Level, shape: Zyx, seed: int, number: int) -> Zyx:
    """Return the origin of draw `number`, uniform over all places of a box within a level.

    Each axis takes the first 16 bytes of sha256("SEED/NUMBER/AXIS"), AXIS being z, y or x, as a
    big-endian number, modulo the number of places. In the level's own numbering (z, y, x).
    """
    found = []
    for axis, offset, most, side in zip("zyx", level.offset, level.shape, shape, strict=True):
        places = most - side + 1
        if places < 1:
            raise ValueError(f"a box of {side} does not fit into {most} along {axis}")
        digest = hashlib.sha256(f"{seed}/{number}/{axis}".encode()).digest()
        found.append(offset + int.from_bytes(digest[:16]) % places)
    return found[0], found[1], found[2]
