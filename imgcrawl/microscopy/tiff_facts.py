"""The description of a TIFF (OME, ImageJ, FEI or plain), from its first page alone.

tifffile reads the page. Its `series` is left alone: it walks all pages, a request each at the far
end of a network.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from imgcrawl.microscopy import ome_xml
from imgcrawl.microscopy.facts import Extra, FileFacts, VoxelSizes
from imgcrawl.microscopy.format import FileFormat
from imgcrawl.microscopy.ranges import CachedRanges, RangesFile
from imgcrawl.microscopy.tiff_pages import MAX_PAGES, count_pages, starts_beyond
from imgcrawl.microscopy.units import iso_date, nanometres, number, positive
from imgcrawl.pictures.sniff import sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tifffile import TiffPage

    from imgcrawl.microscopy.ranges import ByteRanges

_MAX_SIDE = 1 << 31
_SOFTWARE, _DATETIME, _PAGE_NUMBER = 305, 306, 297
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_FEI = (34680, 34682)
_UNITS = {2: "inch", 3: "cm"}
# Coarser is a screen, a printer or a scanner, 12,700 dots to an inch; no microscope.
_COARSEST_NM = 2000.0
_IMAGEJ = re.compile(r"ImageJ=")
_LINE = re.compile(r"([A-Za-z]+)=([^\n]{0,200})")


@dataclass(frozen=True, slots=True)
class _Page:
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


def describe_tiff(ranges: ByteRanges, *, walk: bool = True, private: bool = False) -> FileFacts:
    """Return what a TIFF or BigTIFF says of its picture.

    walk:    count the pages, a read for each; if False, only what the first page says
    private: names of persons too
    Raises RecordMissing (`not_image`, `truncated`, `corrupt`, `too_large`).
    """
    cached = ranges if isinstance(ranges, CachedRanges) else CachedRanges(ranges)
    head = cached.read(0, 16)
    page = _first_page(cached, head)
    pages = count_pages(cached.ranges, head, MAX_PAGES if walk else 1)
    if page.description.rstrip().endswith("OME>"):
        return _ome(page, pages)
    if _IMAGEJ.match(page.description):
        return _imagej(page, pages)
    for tag in _FEI:
        if isinstance(page.tags.get(tag), dict):
            return _fei(page, pages, page.tags[tag], private=private)
    return _plain(page, pages)


def _first_page(cached: CachedRanges, head: bytes) -> _Page:
    """Read page 0.

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
        page = _read_page(tiff.pages.first)
    except Exception as error:
        if file.failure is not None:
            raise file.failure from error
        if isinstance(error, RecordMissing):
            raise
        outcome = Outcome.TRUNCATED if starts_beyond(head, size) else Outcome.CORRUPT
        words = printable(str(error)) or type(error).__name__
        raise RecordMissing(outcome, f"no TIFF that can be read: {words}") from error
    if file.failure is not None:
        raise file.failure
    _check(page, tiff.pages.first, size)
    return page


def _read_page(page: TiffPage) -> _Page:
    wanted = (_SOFTWARE, _DATETIME, _PAGE_NUMBER, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT)
    tags = {code: page.tags.valueof(code) for code in (*wanted, *_FEI) if code in page.tags}
    compression = getattr(page.compression, "name", str(page.compression))
    return _Page(
        width=int(page.imagewidth),
        height=int(page.imagelength),
        depth=int(page.imagedepth),
        samples=int(page.samplesperpixel),
        dtype=None if page.dtype is None else str(page.dtype.name),
        compression=str(compression).lower(),
        description=str(page.description),
        tags=tags,
        is_part=bool(int(page.subfiletype) & 2),
    )


def _check(page: _Page, raw: TiffPage, size: int | None) -> None:
    """Raise RecordMissing for impossible dimensions, and for pixels outside of the file."""
    sides = (page.width, page.height, page.depth, page.samples)
    if not all(0 < side < _MAX_SIDE for side in sides):
        raise RecordMissing(Outcome.CORRUPT, f"a TIFF of {page.width} x {page.height} pixels")
    offsets, counts = raw.dataoffsets, raw.databytecounts
    if not offsets:
        raise RecordMissing(Outcome.CORRUPT, "a TIFF page without pixels")
    try:
        end = max(int(at) + int(n) for at, n in zip(offsets, counts, strict=False))
    except (TypeError, ValueError) as error:  # a tag may be of any type, text too
        raise RecordMissing(
            Outcome.CORRUPT, "a TIFF page that does not say where its pixels are"
        ) from (error)
    if size is not None and end > size:
        raise RecordMissing(Outcome.TRUNCATED, f"pixels reach to byte {end:,} of {size:,} bytes")


def _facts(page: _Page, kind: str, voxels: VoxelSizes, **more: Any) -> FileFacts:
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
    return FileFacts(format=kind, voxel_source=source, **{**known, **more})


def _ome(page: _Page, pages: int | None) -> FileFacts:
    ome = ome_xml.parse_ome_xml(page.description)
    voxels = VoxelSizes()
    for axis, size in ome.voxels.items():
        voxels.add(axis, size, "OME-XML")
    return _facts(
        page,
        "OME-TIFF",
        voxels,
        pages=pages,
        size_z=ome.sizes.get("z"),
        size_t=ome.sizes.get("t"),
        size_c=ome.sizes.get("c"),
        acquired=ome.acquired,
        magnification=ome.magnification,
        detector=ome.detector,
    )


def _imagej(page: _Page, pages: int | None) -> FileFacts:
    lines = dict(_LINE.findall(page.description))
    unit = lines.get("unit")
    voxels = VoxelSizes()
    if unit and unit.strip().lower() not in {"inch", "in"}:
        for axis, tag in (("x", _X_RESOLUTION), ("y", _Y_RESOLUTION)):
            per_unit = _ratio(page.tags.get(tag))
            voxels.add(axis, nanometres(1 / per_unit, unit) if per_unit else None, "ImageJ tags")
        voxels.add("z", nanometres(lines.get("spacing"), unit), "ImageJ tags")
    else:
        voxels = _resolution(page)
    images = _count(lines.get("images"))
    sizes = {axis: _count(lines.get(name)) for axis, name in _IMAGEJ_AXES}
    if images and not any(sizes.values()):
        sizes["z"] = images
    sizes["c"] = sizes["c"] or (page.samples if page.samples > 1 else None)
    return _facts(
        page,
        "ImageJ TIFF",
        voxels,
        # All pixels may follow one directory: then the chain has one link, which says nothing.
        pages=max(pages or 0, images or 0) or None,
        **{f"size_{axis}": size for axis, size in sizes.items()},
    )


_IMAGEJ_AXES = (("z", "slices"), ("t", "frames"), ("c", "channels"))


def _fei(page: _Page, pages: int | None, fei: dict[str, Any], *, private: bool) -> FileFacts:
    def at(*path: str) -> object:
        found: Any = fei
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    voxels = VoxelSizes()
    for axis, name in (("x", "PixelWidth"), ("y", "PixelHeight")):
        for scan in ("Scan", "EScan"):
            voxels.add(axis, nanometres(at(scan, name), "m"), "FEI tags")
    extra: Extra = {}
    for column, value, factor in (
        ("working_distance_mm", at("Stage", "WorkingDistance") or at("EBeam", "WD"), 1e3),
        ("dwell_us", at("Scan", "Dwelltime") or at("EScan", "Dwell"), 1e6),
    ):
        if (found := positive(value)) is not None:
            extra[column] = float(f"{found * factor:.12g}")
    for axis in "xyz":
        if (place := number(at("Stage", f"Stage{axis.upper()}"))) is not None:
            extra[f"stage_{axis}_um"] = float(f"{place * 1e6:.12g}")
    words = {"instrument": at("System", "SystemType")}
    if private:
        words["operator"] = at("User", "User")
    extra |= {name: printable(text) for name, text in words.items() if isinstance(text, str)}
    detector = at("Detectors", "Name")
    return _facts(
        page,
        "FEI TIFF",
        voxels,
        pages=pages,
        acquired=iso_date(at("User", "Date")),
        voltage_v=positive(at("Beam", "HV")) or positive(at("EBeam", "HV")),
        detector=printable(detector) if isinstance(detector, str) else None,
        extra=extra,
    )


def _plain(page: _Page, pages: int | None) -> FileFacts:
    number_of = page.tags.get(_PAGE_NUMBER)
    total = _count(number_of[1]) if isinstance(number_of, tuple) and len(number_of) == 2 else None
    # Pages that call themselves parts of one document, and how many they are, are slices.
    slices = (pages or total) if page.is_part else None
    more = {"size_z": slices} if slices and slices > 1 else {}
    return _facts(page, "TIFF", _resolution(page), pages=pages or total, **more)


def _resolution(page: _Page) -> VoxelSizes:
    """Return voxel sizes from the resolution in inches or centimetres, unless it is a printer's."""
    voxels = VoxelSizes()
    unit = _UNITS.get(page.tags.get(_RESOLUTION_UNIT, 2))
    for axis, tag in (("x", _X_RESOLUTION), ("y", _Y_RESOLUTION)):
        per_unit = _ratio(page.tags.get(tag))
        size = nanometres(1 / per_unit, unit) if per_unit else None
        if size is not None and size <= _COARSEST_NM:
            voxels.add(axis, size, "TIFF resolution")
    return voxels


def _ratio(value: object) -> float | None:
    if not (isinstance(value, tuple) and len(value) == 2):
        return None
    above, below = positive(value[0]), positive(value[1])
    return above / below if above and below else None


def _count(value: object) -> int | None:
    found = positive(value)
    return int(found) if found is not None and 1 <= found < _MAX_SIDE else None


TIFF = FileFormat(
    "TIFF",
    (".tif", ".tiff"),
    recognizes=lambda head: sniff(head).format == "TIFF",
    describe=lambda ranges, options: describe_tiff(
        ranges, walk=options.walk, private=options.private
    ),
)
