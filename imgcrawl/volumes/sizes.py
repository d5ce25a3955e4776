"""How many bytes voxels are, uncompressed."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.volumes.model import Level, Zyx


def size_of(level: Level, shape: Zyx) -> int:
    """Bytes of a box (z, y, x) of a level at one time point, all its channels."""
    bits = re.search(r"\d+\Z", level.dtype)
    return prod(shape) * level.channels * (int(bits[0]) // 8 if bits else 1)


def size_of_level(level: Level) -> int:
    """Bytes of a whole level, all its time points."""
    return size_of(level, level.shape) * level.times
