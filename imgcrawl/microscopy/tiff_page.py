"""The first page of a TIFF, as tifffile reads it, in a form that no tag can make fail."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.ranges import CachedRanges, RangesFile
from imgcrawl.microscopy.units import nanometres, positive
from imgcrawl.pictures.tiff_pages import walk_pages
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tifffile import TiffPage

_STK_PLANES = 33629
MAX_SIDE = 1 << 31
SOFTWARE, DATETIME, PAGE_NUMBER = 305, 306, 297
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
FEI = (34680, 34682)
_WANTED = (SOFTWARE, DATETIME, PAGE_NUMBER, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, *FEI)
_UNITS = {2: "inch", 3: "cm"}
# Coarser is a screen, a printer or a scanner, 12,700 dots to an inch; no microscope.
COARSEST_NM = 2000.0


@dataclass(frozen=True, slots=True)
class TiffHead:
    """The tags of the first page that are of use here."""

    width: int
    height: int
    depth: int
    samples: int
    dtype: str | None
    compression: str
    description: str
    tags: Mapping[int, Any]
    is_part: bool  # one of several pages, according to its own tag
    start: int  # where the pixels begin
    nbytes: int  # of the pixels, not compressed


def read_head(cached: CachedRanges, codes: Iterable[int] = ()) -> TiffHead:
    """Read the first page.

    Whatever tifffile raises becomes RecordMissing; a failed read is raised as it was.
    """
    import tifffile  # noqa: PLC0415 - brings numpy, which other formats can do without

    # It logs each odd tag; what matters is raised or read here.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    size = cached.size
    file = RangesFile(cached, 1 << 62 if size is None else size)
    try:
        # The makers' kinds would have it walk all pages at once, or look for other files.
        makers: dict[str, Any] = dict.fromkeys(("is_lsm", "is_scanimage", "is_ndpi"), False)
        tiff = tifffile.TiffFile(cast("IO[bytes]", file), name="", _multifile=False, **makers)
        page = _read_page(tiff.pages.first, (*_WANTED, *codes))
    except Exception as error:
        if file.failure is not None:
            raise file.failure from error
        if isinstance(error, RecordMissing):
            raise
        lies_there = size is None or not walk_pages(cached.read, size, most=1).problem
        outcome = Outcome.CORRUPT if lies_there else Outcome.TRUNCATED
        words = printable(str(error)) or type(error).__name__
        raise RecordMissing(outcome, f"no TIFF that can be read: {words}") from error
    if file.failure is not None:
        raise file.failure
    _check(page, tiff.pages.first)
    if size is not None and (problem := walk_pages(cached.read, size, most=1).problem):
        raise RecordMissing(Outcome.TRUNCATED, problem)
    return page


def _read_page(page: TiffPage, codes: Iterable[int]) -> TiffHead:
    tags = {code: _value(page, code) for code in codes if code in page.tags}
    compression = getattr(page.compression, "name", str(page.compression))
    return TiffHead(
        width=int(page.imagewidth),
        height=int(page.imagelength),
        depth=int(page.imagedepth),
        samples=int(page.samplesperpixel),
        dtype=None if page.dtype is None else str(page.dtype.name),
        compression=str(compression).lower(),
        description=str(page.description),
        tags=tags,
        is_part=bool(int(page.subfiletype) & 2),
        start=_first_offset(page),
        nbytes=int(page.nbytes),
    )


def _value(page: TiffPage, code: int) -> Any:
    """Return the value of a tag, None if it cannot be read; of MetaMorph's planes, their number."""
    if code == _STK_PLANES:
        return {"NumberPlanes": page.tags[code].count}
    try:
        return page.tags.valueof(code)
    except RecordMissing:  # of the budget, or of the reads
        raise
    # A maker's tag is a structure of its own, and what is wrong in it is no fault of the picture.
    except Exception:
        return None


def _first_offset(page: TiffPage) -> int:
    first: object = next(iter(page.dataoffsets), 0)
    return first if isinstance(first, int) else 0


def _check(page: TiffHead, raw: TiffPage) -> None:
    """Raise RecordMissing for impossible dimensions, and for a page without pixels."""
    sides = (page.width, page.height, page.depth, page.samples)
    if not all(0 < side < MAX_SIDE for side in sides):
        raise RecordMissing(Outcome.CORRUPT, f"a TIFF of {page.width} x {page.height} pixels")
    if not raw.dataoffsets:
        raise RecordMissing(Outcome.CORRUPT, "a TIFF page without pixels")
    places: tuple[object, ...] = (*raw.dataoffsets, *raw.databytecounts)
    if not all(isinstance(place, int) for place in places):  # a tag may be of any type, text too
        raise RecordMissing(Outcome.CORRUPT, "a TIFF page that does not say where its pixels are")


def require_planes(page: TiffHead, planes: int, size: int | None) -> None:
    """Raise RecordMissing if the images that follow the first are not all there."""
    end = page.start + planes * page.nbytes
    if size is not None and end > size:
        words = f"the {planes:,} images reach to byte {end:,} of {size:,}"
        raise RecordMissing(Outcome.TRUNCATED, words)


def tiff_facts(page: TiffHead, kind: str, voxels: VoxelSizes, **more: Any) -> FileFacts:
    """Return the facts of a page, and what else is known of its file."""
    known: dict[str, Any] = {
        "size_y": page.height,
        "size_x": page.width,
        "size_z": page.depth if page.depth > 1 else None,
        "size_c": page.samples if page.samples > 1 else None,
        "dtype": page.dtype,
        "compression": page.compression,
    }
    for axis in "zyx":
        known[f"voxel_{axis}_nm"] = voxels.get(axis)
    source = {axis: f"file: {words}" for axis, words in voxels.source.items()}
    words = "; ".join([*(f"{each}" for each in voxels.conflicts), *more.pop("conflicts", ())])
    return FileFacts(format=kind, voxel_source=source, conflicts=words, **{**known, **more})


def resolution(page: TiffHead) -> VoxelSizes:
    """Return voxel sizes from the resolution in inches or centimetres, unless it is a printer's."""
    voxels = VoxelSizes()
    unit = _UNITS.get(page.tags.get(RESOLUTION_UNIT, 2))
    for axis, tag in (("x", X_RESOLUTION), ("y", Y_RESOLUTION)):
        per_unit = ratio(page.tags.get(tag))
        size = nanometres(1 / per_unit, unit) if per_unit else None
        if size is not None and size <= COARSEST_NM:
            voxels.add(axis, size, "TIFF resolution")
    return voxels


def ratio(value: object) -> float | None:
    """Return a rational number above zero, or None."""
    if not (isinstance(value, tuple) and len(value) == 2):
        return None
    above, below = positive(value[0]), positive(value[1])
    return above / below if above and below else None


def count(value: object) -> int | None:
    """Return a number of pixels or pages, or None."""
    found = positive(value)
    return int(found) if found is not None and 1 <= found < MAX_SIDE else None
