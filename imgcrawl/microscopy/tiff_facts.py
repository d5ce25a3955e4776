"""The description of a TIFF (OME, ImageJ, FEI or plain), from its first page alone.

tifffile reads the page. Its `series` is left alone: it walks all pages, a request each at the far
end of a network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imgcrawl.microscopy import ome_xml
from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import FileFormat
from imgcrawl.microscopy.proof import Checked, Proof
from imgcrawl.microscopy.ranges import CachedRanges
from imgcrawl.microscopy.tiff_fei import describe_fei
from imgcrawl.microscopy.tiff_imagej import describe_imagej, is_imagej
from imgcrawl.microscopy.tiff_makers import TAGS, Made, made_by
from imgcrawl.microscopy.tiff_page import (
    FEI,
    PAGE_NUMBER,
    TiffHead,
    count,
    read_head,
    require_planes,
    resolution,
    tiff_facts,
)
from imgcrawl.pictures.sniff import sniff
from imgcrawl.pictures.tiff_pages import TiffPages, walk_pages
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import ByteRanges

_DAMAGE = frozenset({Outcome.TRUNCATED, Outcome.CORRUPT})


def describe_tiff(
    ranges: ByteRanges, *, walk: bool = True, private: bool = False, name: str = ""
) -> FileFacts:
    """Return what a TIFF or BigTIFF says of its picture.

    walk:    count the pages, a read for each; if False, only what the first page says
    private: names of persons too
    name:    of the file, by which a description of a set may call it
    Raises RecordMissing (`not_image`, `truncated`, `corrupt`, `too_large`).
    """
    cached = ranges if isinstance(ranges, CachedRanges) else CachedRanges(ranges)
    try:
        return _describe(cached, walk=walk, private=private, name=name)
    except RecordMissing as bad:
        # NDPI and LSM of more than 4 GB are written all the same, each with tricks of its own.
        if not _is_overgrown(cached) or bad.outcome not in _DAMAGE:
            raise
        words = f"not read to its end: offsets of 32 bits in {cached.size:,} bytes: {bad.message}"
        return FileFacts("TIFF", proof=Proof(Checked.HEADER, words))


def _is_overgrown(cached: CachedRanges) -> bool:
    """Return whether a TIFF is longer than its offsets reach; BigTIFF's are longer."""
    return (cached.size or 0) > 1 << 32 and b"*" in cached.read(2, 2)


def _describe(cached: CachedRanges, *, walk: bool, private: bool, name: str) -> FileFacts:
    page = read_head(cached, TAGS)
    chain = _chain(cached) if walk else None
    pages = chain.count if chain is not None and chain.counted else None
    facts = _of_kind(page, pages, cached.size, name=name, private=private)
    if chain is None:
        return facts
    is_sure = chain.counted and cached.size is not None
    is_sure = is_sure and not (chain.suspect and _is_overgrown(cached))
    checked = Checked.WHOLE if is_sure else Checked.HEADER
    return replace(facts, proof=Proof(checked, facts.proof.suspect or chain.suspect))


def _chain(cached: CachedRanges) -> TiffPages:
    """Walk all pages. Raises RecordMissing (`truncated`) for one that is not all there."""
    size = cached.size
    chain = walk_pages(cached.ranges.read, 1 << 62 if size is None else size)
    if chain.problem:
        raise RecordMissing(Outcome.TRUNCATED, chain.problem)
    return chain


def _of_kind(
    page: TiffHead, pages: int | None, size: int | None, *, name: str, private: bool
) -> FileFacts:
    if page.description.rstrip().endswith("OME>"):
        return _ome(page, pages, name)
    if is_imagej(page.description):
        return describe_imagej(page, pages, size)
    for tag in FEI:
        if isinstance(page.tags.get(tag), dict):
            return describe_fei(page, pages, page.tags[tag], private=private)
    made = made_by(page)
    return _plain(page, pages) if made is None else _of_maker(page, pages, size, made)


def _of_maker(page: TiffHead, pages: int | None, size: int | None, made: Made) -> FileFacts:
    if made.planes > 1 and pages == 1 and page.compression == "none":
        require_planes(page, made.planes, size)
        pages = made.planes
    return tiff_facts(page, made.kind, made.voxels, pages=pages, extra=made.extra, **made.facts)


def _ome(page: TiffHead, pages: int | None, name: str) -> FileFacts:
    """Describe the image that this file of a set holds."""
    ome = ome_xml.parse_ome_xml(page.description, name)
    voxels = VoxelSizes()
    for axis, size in ome.voxels.items():
        voxels.add(axis, size, "OME-XML")
    for axis, size in resolution(page).sizes.items():
        if axis in ome.voxels:
            voxels.add(axis, size, "TIFF resolution")
    return tiff_facts(
        page,
        "OME-TIFF",
        voxels,
        pages=pages,
        size_z=ome.sizes.get("z"),
        size_t=ome.sizes.get("t"),
        size_c=ome.sizes.get("c") or (page.samples if page.samples > 1 else None),
        acquired=ome.acquired,
        magnification=ome.magnification,
        detector=ome.detector,
        extra=ome.extra | ({"images": ome.images} if ome.images > 1 else {}),
        conflicts=_ome_conflicts(page, pages, ome),
    )


def _ome_conflicts(page: TiffHead, pages: int | None, ome: ome_xml.OmeXml) -> list[str]:
    """Return where the description and the pages themselves disagree."""
    sizes, found = ome.sizes, []
    for axis, side in (("x", page.width), ("y", page.height)):
        if sizes.get(axis, side) != side:
            found.append(f"size_{axis}: page {side}, OME-XML {sizes[axis]}")
    planes = sizes.get("z", 1) * sizes.get("t", 1) * max(1, sizes.get("c", 1) // page.samples)
    if sizes and ome.images == 1 and pages is not None and pages != planes:
        found.append(f"pages: file {pages}, OME-XML {planes}")
    return found


def _plain(page: TiffHead, pages: int | None) -> FileFacts:
    number_of = page.tags.get(PAGE_NUMBER)
    total = count(number_of[1]) if isinstance(number_of, tuple) and len(number_of) == 2 else None
    # Pages that call themselves parts of one document, and how many they are, are slices.
    slices = (pages or total) if page.is_part else None
    more = {"size_z": slices} if slices and slices > 1 else {}
    return tiff_facts(page, "TIFF", resolution(page), pages=pages or total, **more)


def _with_folder(facts: FileFacts, name: str) -> FileFacts:
    """Name the folder that has the pixels of a VSI, which is a TIFF of its settings."""
    base = name.replace("\\", "/").rpartition("/")[2]
    if not base.lower().endswith(".vsi"):
        return facts
    return replace(facts, extra={**facts.extra, "data_folder": printable(f"_{base[:-4]}_")})


TIFF = FileFormat(
    "TIFF",
    (
        *(".tif", ".tiff", ".btf", ".tf2", ".tf8", ".ptif", ".ptiff", ".lsm", ".stk", ".svs"),
        *(".ndpi", ".scn", ".bif", ".qptiff", ".eer", ".flex", ".vsi", ".gel", ".zif", ".pcoraw"),
    ),
    recognizes=lambda head: sniff(head).format == "TIFF",
    describe=lambda ranges, options: _with_folder(
        describe_tiff(ranges, walk=options.walk, private=options.private, name=options.name),
        options.name,
    ),
)
