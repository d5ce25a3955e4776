"""The description of a DM3 or DM4 file: which of its images is the picture, and its calibration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imgcrawl.microscopy.dm import LazyTag, Tags, Value, at, group, layout, read_tags
from imgcrawl.microscopy.dm_axes import axis_roles
from imgcrawl.microscopy.facts import AXES, Extra, FileFacts, VoxelSizes
from imgcrawl.microscopy.format import FileFormat
from imgcrawl.microscopy.proof import Checked, Proof
from imgcrawl.microscopy.units import c_time, filetime, iso_date, nanometres, number, positive
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcrawl.microscopy.ranges import ByteRanges

# Code of DataType: numpy's name, samples of a colour, bytes of a pixel (None: packed).
_TYPES: dict[int, tuple[str, int, int | None]] = {
    1: ("int16", 1, 2),
    2: ("float32", 1, 4),
    3: ("complex64", 1, 8),
    5: ("complex64", 1, None),
    6: ("uint8", 1, 1),
    7: ("int32", 1, 4),
    8: ("uint8", 3, 4),
    9: ("int8", 1, 1),
    10: ("uint16", 1, 2),
    11: ("uint32", 1, 4),
    12: ("float64", 1, 8),
    13: ("complex128", 1, 16),
    14: ("bool", 1, 1),
    23: ("uint8", 4, 4),
    27: ("complex64", 1, None),
    28: ("complex128", 1, None),
    39: ("int64", 1, 8),
    40: ("uint64", 1, 8),
}
_MAX_SIDE = 1 << 40

# Of a picture's tags: column of `extra`, and where it is. All are numbers.
_NUMBERS = (
    ("working_distance_mm", ("Microscope Info", "WD (mm)")),
    ("dwell_us", ("DigiScan", "Sample Time")),
    ("field_of_view_um", ("Microscope Info", "Field of View (\u00b5m)")),
    ("stage_x_um", ("Microscope Info", "Stage Position", "Stage X")),
    ("stage_y_um", ("Microscope Info", "Stage Position", "Stage Y")),
    ("stage_z_um", ("Microscope Info", "Stage Position", "Stage Z")),
    ("exposure_number", ("DataBar", "Exposure Number")),
)
_WORDS = (
    ("instrument", ("Microscope Info", "Name")),
    ("mode", ("Microscope Info", "Illumination Mode")),
    ("software", ("GMS Version", "Created")),
)
# Names of persons, and paths that hold them.
_PRIVATE = (
    ("operator", ("Session Info", "Operator")),
    ("specimen", ("Session Info", "Specimen")),
    ("base_file_name", ("SBFSEM", "Record", "Base file name")),
)


def describe_dm(ranges: ByteRanges, *, private: bool = False) -> FileFacts:
    """Return what a DM3 or DM4 file says of its picture.

    private: names of persons and paths of users too
    Raises RecordMissing (`not_image`, `truncated`, `corrupt`, `too_large`).
    """
    written, tags = read_tags(ranges)
    image = _picture(tags)
    data = group(image, "ImageData")
    info = group(image, "ImageTags")
    sides = _sides(data)
    dtype, samples, depth = _TYPES.get(_int(data.get("DataType")), (None, 1, None))
    _check_pixels(data.get("Data"), sides, depth)
    roles = axis_roles(data, info, sides)
    axes = dict(zip(reversed(roles), reversed(sides), strict=True))
    voxels = _voxels(data, info, roles)
    return FileFacts(
        format=f"DM{written.version}",
        size_x=sides[0],
        size_y=sides[1],
        size_z=axes.get("z"),
        size_t=axes.get("t"),
        size_c=axes.get("c", samples if samples > 1 else None),
        dtype=dtype,
        voxel_z_nm=voxels.get("z"),
        voxel_y_nm=voxels.get("y"),
        voxel_x_nm=voxels.get("x"),
        voxel_source=voxels.source,
        acquired=_acquired(info),
        magnification=positive(at(info, "Microscope Info", "Indicated Magnification")),
        voltage_v=positive(at(info, "Microscope Info", "Voltage")),
        detector=_word(at(info, "Session Info", "Detector"))
        or _word(at(info, "DataBar", "Signal Name")),
        compression="none",
        extra=_extra(info, sides, private=private) | _scan(data, sides, roles),
        proof=Proof(Checked.WHOLE),  # the tree of tags ends behind the pixels, and was read
    )


def _picture(tags: Tags) -> Tags:
    """Return the largest image that is not a thumbnail."""
    images = {
        name: image
        for name, image in group(tags, "ImageList").items()
        if isinstance(image, dict) and group(image, "ImageData")
    }
    if not images:
        raise RecordMissing(Outcome.CORRUPT, "the DM file holds no image")
    thumbnails = {
        str(_int(at(thumbnail, "ImageIndex")))
        for thumbnail in group(tags, "Thumbnails").values()
        if isinstance(thumbnail, dict)
    }
    rest = [image for name, image in images.items() if name not in thumbnails]
    return max(rest or images.values(), key=_pixels)


def _pixels(image: Tags) -> int:
    return math.prod(_dimensions(group(image, "ImageData")))


def _dimensions(data: Tags) -> list[int]:
    return [_int(side) for side in group(data, "Dimensions").values()]


def _sides(data: Tags) -> list[int]:
    sides = _dimensions(data)
    # A spectrum has one dimension.
    sides = [*sides, 1] if len(sides) == 1 else sides
    if not sides or len(sides) > 8 or not all(0 < side < _MAX_SIDE for side in sides):
        shown = " x ".join(map(str, sides[:8])) or "no dimensions"
        raise RecordMissing(Outcome.CORRUPT, f"a DM image of {shown}")
    return sides


def _check_pixels(pixels: Value | None, sides: list[int], depth: int | None) -> None:
    """Raise RecordMissing if there are fewer bytes of pixels than the dimensions need."""
    count = math.prod(sides)
    needed = count * (depth or 0)
    if isinstance(pixels, LazyTag) and pixels.nbytes < needed:
        words = f"{pixels.nbytes:,} bytes of pixels where {needed:,} are needed"
        raise RecordMissing(Outcome.CORRUPT, words)
    # An array short enough to have been read; of shorts it has become text.
    if isinstance(pixels, tuple) and len(pixels) < count and depth is not None:
        raise RecordMissing(Outcome.CORRUPT, f"{len(pixels):,} pixels where {count:,} are needed")


def _voxels(data: Tags, info: Tags, roles: Sequence[str]) -> VoxelSizes:
    voxels = VoxelSizes()
    for index, role in enumerate(roles):
        if role in AXES:
            size = _scale(data, "Calibrations", "Dimension", str(index))
            voxels.add(role, size, "DM calibration")
    # A microscope that cuts slices knows how thick; each file is one of them.
    thickness = nanometres(at(info, "SBFSEM", "Record", "Slice thickness"), "nm")
    voxels.add("z", thickness, "SBFSEM slice thickness")
    if len(roles) < 3 or roles[2] == "z":
        voxels.add("z", _scale(info, "Meta Data", "Dimension info", "2"), "DM dimension info")
    voxels.source = {axis: f"file: {words}" for axis, words in voxels.source.items()}
    return voxels


def _scale(tags: Tags, *path: str) -> float | None:
    return nanometres(at(tags, *path, "Scale"), at(tags, *path, "Units"))


def _acquired(info: Tags) -> str | None:
    """Return the time of acquisition, never from a date in local notation, as 11.06.2018."""
    return (
        filetime(at(info, "DataBar", "Acquisition Time (OS)"))
        or c_time(at(info, "DigiScan", "TimeStamp"))
        or iso_date(at(info, "DataBar", "Acquisition Date"))
    )


def _extra(info: Tags, sides: list[int], *, private: bool) -> Extra:
    extra: Extra = {}
    for column, path in _NUMBERS:
        found = at(info, *path)
        if (value := number(found)) is not None:
            extra[column] = int(value) if isinstance(found, int) else value
    for column, path in (*_WORDS, *(_PRIVATE if private else ())):
        if words := _word(at(info, *path)):
            extra[column] = words
    if len(sides) > 3:
        extra["dimensions"] = " x ".join(map(str, sides))
    return extra


def _scan(data: Tags, sides: list[int], roles: Sequence[str]) -> Extra:
    """Return at how many places a beam stood, slowest axis first, and the step between them."""
    places = [index for index, role in enumerate(roles) if role == "scan"]
    if not places:
        return {}
    step = _scale(data, "Calibrations", "Dimension", str(places[0]))
    shape = " x ".join(str(sides[index]) for index in reversed(places))
    return {"scan": shape, **({"scan_step_nm": step} if step else {})}


def _int(value: Value | None) -> int:
    return value if isinstance(value, int) else -1


def _word(value: Value | None) -> str | None:
    return (printable(value) or None) if isinstance(value, str) else None


DM = FileFormat(
    "DM",
    (".dm3", ".dm4"),
    recognizes=lambda head: layout(head) is not None,
    describe=lambda ranges, options: describe_dm(ranges, private=options.private),
)
