"""Chunked volumes: where one is, its levels, and the part of it that is wanted.

Everything spatial is in the order z, y, x here, whatever order a format stores it in; sizes and
origins are in voxels, voxel sizes in nanometres.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from math import prod
from typing import Any, Literal, TypeAlias

Zyx: TypeAlias = tuple[int, int, int]


Nanometres: TypeAlias = tuple[float | None, float | None, float | None]  # z, y, x


Driver: TypeAlias = Literal["zarr", "zarr3", "n5", "neuroglancer_precomputed"]  # tensorstore's


Format: TypeAlias = Literal["ome-zarr", "tiff", "precomputed", "npy", "hdf5"]


@dataclass(frozen=True, slots=True)
class VolumeAddress:
    """A folder of a store.

    shown:  as a person writes it: s3://bucket/a.zarr, gs://bucket/path, https://..., /a/path
    url:    where it is asked for, with "/" at its end: http://, https:// or file:///
    driver: how it is to be read, where the address says so
    separator: what joins the numbers in the names of the chunks of Zarr 2, likewise: "/" or "."
    """

    shown: str
    url: str
    driver: Driver | None = None
    separator: str = ""

    def below(self, path: str) -> VolumeAddress:
        """Return a folder within this one; `path` is relative, with or without a final slash."""
        path = path.strip("/")
        if not path:
            return self
        shown = f"{self.shown.rstrip('/')}/{path}"
        return replace(self, shown=shown, url=f"{self.url}{path}/")


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a picture: one array.

    name:     "s3", "8_8_8"
    address:  of the array; of the volume where the driver is neuroglancer_precomputed
    scale:    the index of a precomputed scale, None elsewhere
    axes:     of the stored array, in the order of tensorstore's dimensions: ("c", "z", "y", "x"),
              ("x", "y", "z", "channel")
    shape:    z, y, x (1 where the array lacks the axis)
    offset:   z, y, x of the first voxel in the array's own numbering (precomputed: voxel_offset)
    channels: how many
    times:    how many
    chunk:    z, y, x of what is fetched as one (the inner chunk of a shard)
    sha256:   of the metadata documents that all this was read from, as they were sent
    """

    name: str
    address: VolumeAddress
    driver: Driver
    axes: tuple[str, ...]
    shape: Zyx
    dtype: str
    chunk: Zyx
    sha256: str
    scale: int | None = None
    offset: Zyx = (0, 0, 0)
    channels: int = 1
    times: int = 1
    voxel_nm: Nanometres = (None, None, None)
    translation_nm: Nanometres = (None, None, None)
    encoding: str = ""  # jpeg, raw, zstd, ...


@dataclass(frozen=True, slots=True)
class Multiscale:
    """A volume with its levels, the finest first."""

    address: VolumeAddress
    kind: str  # OME-Zarr 0.4, Zarr v3, N5, precomputed
    levels: tuple[Level, ...]
    is_segmentation: bool = False


@dataclass(frozen=True, slots=True)
class Resampling:
    """How voxels of a level become those of a cube that several layers share; all z, y, x.

    corner_nm: where the corner of the level's voxel 0 lies
    origin_nm: where the cube begins
    voxel_nm:  of the cube
    shape:     voxels of the cube
    is_label:  whether each voxel is the id that lies in its middle, and no average
    """

    corner_nm: tuple[float, float, float]
    origin_nm: tuple[float, float, float]
    voxel_nm: tuple[float, float, float]
    shape: Zyx
    is_label: bool

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Resampling:
        """Return what JSON has kept of one."""
        lists = ("corner_nm", "origin_nm", "voxel_nm", "shape")
        return cls(**{**kept, **{name: tuple(kept[name]) for name in lists}})


@dataclass(frozen=True, slots=True)
class Crop:
    """A box of a level, to be stored in a format; enough to make it again bit for bit.

    origin: z, y, x in the array's own numbering; origin and shape lie within the level
    seed:   of the random draw that chose the box, and `draw` which draw it was; None for a box
            that was asked for
    """

    level: Level
    origin: Zyx
    shape: Zyx
    format: Format = "ome-zarr"
    time: int = 0
    seed: int | None = None
    draw: int | None = None
    resampling: Resampling | None = None

    @property
    def is_resampled(self) -> bool:
        """Whether what is stored are other voxels than those that are read."""
        cube = self.resampling
        if cube is None:
            return False
        sizes = zip(cube.voxel_nm, self.level.voxel_nm, strict=True)
        if self.shape != cube.shape or any(abs(a - (b or 0.0)) > 1e-6 * a for a, b in sizes):
            return True
        places = zip(cube.origin_nm, cube.corner_nm, cube.voxel_nm, self.origin, strict=True)
        return any(abs((at - zero) / nm - first) > 1e-4 for at, zero, nm, first in places)

    def part(self) -> tuple[Any, ...]:
        """Return which part of its volume this is, and in what form."""
        return (
            self.level.name,
            self.origin,
            self.shape,
            self.format,
            self.time,
            self.resampling,
        )

    def as_stored(self) -> Crop:
        """Return this as what is stored of it: with voxels, size and place of its cube."""
        cube = self.resampling
        if cube is None:
            return self
        places = [*zip(cube.origin_nm, cube.voxel_nm, strict=True)]
        first = [round(at / nm) for at, nm in places]
        z, y, x = (at - n * nm for n, (at, nm) in zip(first, places, strict=True))
        level = replace(self.level, voxel_nm=cube.voxel_nm, translation_nm=(z, y, x))
        return replace(self, level=level, origin=(first[0], first[1], first[2]), shape=cube.shape)

    def to_json(self) -> dict[str, Any]:
        """Return this as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Crop:
        """Return the crop that `to_json` kept. Raises KeyError, TypeError or ValueError."""
        fields = dict(kept)
        level = dict(fields.pop("level"))
        level["address"] = VolumeAddress(**level["address"])
        for name in ("axes", "shape", "chunk", "offset", "voxel_nm", "translation_nm"):
            level[name] = tuple(level[name])
        for name in ("origin", "shape"):
            fields[name] = tuple(fields[name])
        if fields.get("resampling") is not None:
            fields["resampling"] = Resampling.from_json(fields["resampling"])
        return cls(level=Level(**level), **fields)


@dataclass(frozen=True, slots=True)
class CubeMember:
    """A member of a cube: its id, its path below OUT, its crop.

    dataset: its name in the file, where all members are in one: their paths are the same
    """

    record_id: str
    path: str
    crop: Crop
    dataset: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return this as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> CubeMember:
        """Return the member that `to_json` kept."""
        crop = Crop.from_json(kept["crop"])
        return cls(kept["record_id"], kept["path"], crop, kept.get("dataset", ""))


@dataclass(frozen=True, slots=True)
class Copy:
    """A group or array that is to be stored as it is, object by object.

    address: of the group or array
    parts:   the folders below it that are wanted ("s3/"), all if there are none; the documents
             of the folders above them come with them
    volume:  the precomputed volume whose info describes the address, which is one of its scales
    """

    address: VolumeAddress
    parts: tuple[str, ...] = ()
    volume: VolumeAddress | None = None

    def to_json(self) -> dict[str, Any]:
        """Return this as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Copy:
        """Return the copy that `to_json` kept."""
        volume = kept.get("volume")
        return cls(
            VolumeAddress(**kept["address"]),
            tuple(kept["parts"]),
            None if volume is None else VolumeAddress(**volume),
        )


@dataclass(slots=True)
class Chunks:
    """How many chunks of a crop there were."""

    present: int = 0
    missing: int = 0  # truly absent (404, or 403 of a store that answers so for absence): zeros
    forbidden: int = 0  # 403 of a store that tells absence otherwise: never filled

    @property
    def absence(self) -> str:
        """How many are absent, if that is most of them: "7 of 8 chunks"; else ""."""
        return describe_absence(self.missing, self.present + self.missing, "chunks")

    def __add__(self, other: Chunks) -> Chunks:
        return Chunks(
            self.present + other.present,
            self.missing + other.missing,
            self.forbidden + other.forbidden,
        )


@dataclass(frozen=True, slots=True)
class Raw:
    """A crop on the disk, uncompressed: what is written anew in a format.

    path:   a file whose bytes from `start` on are the voxels in the order c, z, y, x (C order),
            little-endian
    shape:  c, z, y, x
    dtype:  numpy's name: uint8, int16, float32, ...
    """

    path: str
    shape: tuple[int, int, int, int]
    dtype: str
    start: int = 0
    chunks: Chunks = field(default_factory=Chunks)


MOSTLY_ABSENT = "mostly_absent"  # the column of a volume of which most is fill value


def describe_absence(absent: int, of: int, what: str) -> str:
    """Return how much of a volume is absent, if it is most of it; else "".

    A chunk of nothing but the fill value need not be stored, so that a volume whose chunks cannot
    be found looks like an empty one.
    """
    return f"{absent:,} of {of:,} {what}" if 2 * absent > of else ""


def size_of(level: Level, shape: Zyx) -> int:
    """Return the bytes of a box (z, y, x) of a level at one time point, all its channels."""
    bits = re.search(r"\d+\Z", level.dtype)
    return prod(shape) * level.channels * (int(bits[0]) // 8 if bits else 1)


def size_of_level(level: Level) -> int:
    """Return the bytes of a whole level, all its time points."""
    return size_of(level, level.shape) * level.times
