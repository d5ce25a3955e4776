"""The blocks of a GIF: how many frames, how large a canvas, and whether the end is there.

Source: the GIF89a specification. Extents may leave the screen that the header promises, and
Pillow then grows its canvas; so the canvas is measured here before anything is opened.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.pictures.source import Data

_IMAGE, _TRAILER = 0x2C, 0x3B
_BLOCK = re.compile(rb"[!,;]")  # junk between blocks is passed over, as every reader does
_SCREEN = struct.Struct("<HHB")
_EXTENT = struct.Struct("<HHHHB")


@dataclass(frozen=True, slots=True)
class GifOutline:
    """The structure of a GIF, from its blocks.

    frames:   how many
    screen:   width and height that the header promises, in pixels
    canvas:   width and height that hold every frame
    complete: whether the last block ends within the file
    trailer:  whether the end mark follows it; there are sound files without
    """

    frames: int
    screen: tuple[int, int]
    canvas: tuple[int, int]
    complete: bool
    trailer: bool


def outline(data: Data) -> GifOutline:
    """Walk the blocks of a GIF."""
    if len(data) < 13:
        return GifOutline(0, (0, 0), (0, 0), complete=False, trailer=False)
    *screen, flags = _SCREEN.unpack_from(data, 6)
    width, height = screen
    position = 13 + _palette_bytes(flags)
    frames = 0
    trailer = False
    while found := _BLOCK.search(data, position):
        position = found.end()
        block = data[position - 1]
        if block == _TRAILER:
            trailer = True
            break
        if block == _IMAGE:
            if position + _EXTENT.size > len(data):
                position = len(data) + 1  # cut
                break
            left, top, across, down, flags = _EXTENT.unpack_from(data, position)
            width, height = max(width, left + across), max(height, top + down)
            frames += 1
            position += _EXTENT.size + _palette_bytes(flags)
        # One byte more in either case: an extension's label, an image's code size.
        position = _after_sub_blocks(data, position + 1)
    whole = frames > 0 and position == len(data)
    size, canvas = (screen[0], screen[1]), (width, height)
    return GifOutline(frames, size, canvas, complete=trailer or whole, trailer=trailer)


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(data: Data, position: int) -> int:
    """Return the position after the empty block that ends a chain; beyond the end without one."""
    end = len(data)
    while position < end and (size := data[position]):
        position += size + 1
    return position + 1
