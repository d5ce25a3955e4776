"""The pages of a TIFF: how many there are, and whether the pixels of each lie within the file.

Nothing here follows a pointer out of the file, walks a loop twice, or goes on without end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgcrawl.pictures.tiff_directory import (
    LAYOUTS,
    LSM,
    STRIPS,
    TILES,
    directories_below,
    read_directory,
)
from imgcrawl.pictures.tiff_pixels import pixel_reach

if TYPE_CHECKING:
    from imgcrawl.pictures.source import Data
    from imgcrawl.pictures.tiff_directory import Read, TiffLayout

MAX_PAGES = 100_000
_ANYWAY, _EACH = 5_000, 256  # so many pages, and one more for so many bytes
# A link to a page behind the end is rubbish if the file is otherwise used up to so many bytes
# before its end; bytes of no page there are the pixels of one that was cut off.
_PADDING = 16
_MAX_REMARKS = 3


@dataclass(frozen=True, slots=True)
class TiffPages:
    """The pages of a TIFF.

    count:   those that are there
    problem: what is missing of the file, in words
    suspect: what is odd, though readers open it
    counted: whether the chain of pages was followed to its end
    """

    count: int
    problem: str = ""
    suspect: str = ""
    counted: bool = True

    @property
    def complete(self) -> bool:
        """Whether directories and pixels all lie within the file."""
        return not self.problem


def pages(data: Data) -> TiffPages:
    """Walk the pages of a TIFF in memory."""
    return walk_pages(lambda offset, length: data[offset : offset + length], len(data))


def walk_pages(read: Read, size: int, most: int = MAX_PAGES) -> TiffPages:
    """Walk the pages of a TIFF or BigTIFF of `size` bytes; a chain that bites its tail ends there.

    most: pages; behind them the file is not looked at, nor behind as many as only a file of
          nothing but directories has
    """
    most = min(most, _ANYWAY + size // _EACH)
    layout = LAYOUTS.get(read(0, 4))
    if layout is None or size < layout.first + layout.long.size:
        return TiffPages(0, "the TIFF stops within its header")
    (offset,) = layout.long.unpack(read(layout.first, layout.long.size))
    chain = _Chain(read, size, layout)
    seen: set[int] = set()
    # Directories that share their bytes could be read without end: together they are no longer
    # than the file, or the chain is a trap and what was counted is enough.
    while offset and offset not in seen and chain.work <= size:
        count = len(seen)
        if count >= most:
            return TiffPages(count, suspect="; ".join(chain.remarks), counted=False)
        if offset + layout.count.size > size:
            words = f"page {count} lies behind the end, at byte {offset:,} of {size:,}"
            if not seen or size - chain.used > _PADDING:
                return TiffPages(count, words)
            chain.remarks.append(words)
            break
        link, problem = chain.page(offset, f"page {count}", with_levels=most > 1)
        if problem:
            return TiffPages(count, problem)
        seen.add(offset)
        offset = link
    return TiffPages(len(seen), suspect="; ".join(chain.remarks))


@dataclass(slots=True)
class _Chain:
    """What is known of a chain so far.

    used: how far pixels and values reach; work: bytes of directories that were read
    """

    read: Read
    size: int
    layout: TiffLayout
    remarks: list[str] = field(default_factory=list)
    used: int = 0
    work: int = 0
    is_lsm: bool = False

    def page(self, offset: int, name: str, *, with_levels: bool) -> tuple[int, str]:
        """Measure a page and its levels; return the link to the next, and what is missing."""
        page = read_directory(self.read, self.size, self.layout, offset)
        self.is_lsm = self.is_lsm or LSM in page.arrays
        if not any(tags[0] in page.arrays for tags in (STRIPS, TILES)):
            page.remark = "it has no pixels"
        levels = directories_below(self.read, self.size, self.layout, page) if with_levels else []
        for each in (page, *levels):
            reach, odd = pixel_reach(self.read, self.size, each, trusts_counts=not self.is_lsm)
            end = max(reach, each.end)
            if end > self.size:
                return 0, f"{name} reaches to byte {end:,} of {self.size:,}"
            if (words := odd or each.remark) and len(self.remarks) < _MAX_REMARKS:
                self.remarks.append(f"{name}: {words}")
            self.used = max(self.used, reach, each.used)
            lengths = (array.count * array.code.size for array in each.arrays.values())
            self.work += sum(length for length in lengths if length > self.layout.long.size)
        self.work += page.end - offset + _EACH * len(levels)
        return page.link, ""
