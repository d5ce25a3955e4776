"""The facts of microscopy files, in one shape for all formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from imgcrawl.microscopy.proof import Proof

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Extra: TypeAlias = dict[str, "str | float | int"]

AXES = "zyx"
_TOLERANCE = 0.005  # 8 nm in the record of a file of 7.998 nm is the same, rounded


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts that a file states about itself; None for one that it does not state.

    format:       DM3, OME-TIFF, OME-Zarr, PNG, ...
    size_z ...:   pixels, by axis; size_c counts the samples of a colour too
    dtype:        numpy's name: uint8, float32, ...
    voxel_z_nm .. distance from one voxel to the next
    voxel_source: by axis, "z" to "x": a name for the tags that gave the voxel size
    acquired:     ISO 8601, only from an unambiguous date
    voltage_v:    volts
    compression:  none, zstd, jpeg, ...
    pages:        of a TIFF
    levels:       of a pyramid
    extra:        a few more: instrument, working_distance_mm, dwell_us, ...
    proof:        how far the file was proved to be whole
    conflicts:    where two places of the file disagree, in words
    """

    format: str
    size_z: int | None = None
    size_y: int | None = None
    size_x: int | None = None
    size_c: int | None = None
    size_t: int | None = None
    dtype: str | None = None
    voxel_z_nm: float | None = None
    voxel_y_nm: float | None = None
    voxel_x_nm: float | None = None
    voxel_source: Mapping[str, str] = field(default_factory=dict)
    acquired: str | None = None
    magnification: float | None = None
    voltage_v: float | None = None
    detector: str | None = None
    compression: str | None = None
    pages: int | None = None
    levels: int | None = None
    extra: Extra = field(default_factory=dict)
    proof: Proof = field(default_factory=Proof)
    conflicts: str = ""

    def columns(self) -> dict[str, object]:
        """Return the columns of a table, always the same ones; `extra` is left to the caller."""
        voxels: dict[str, object] = {}
        for axis in AXES:
            voxels[f"voxel_{axis}_nm"] = getattr(self, f"voxel_{axis}_nm")
            voxels[f"voxel_{axis}_from"] = self.voxel_source.get(axis)
        return {
            "format": self.format,
            **{f"size_{axis}": getattr(self, f"size_{axis}") for axis in "zyxct"},
            "dtype": self.dtype,
            **voxels,
            "acquired_at": self.acquired,
            "magnification": self.magnification,
            "voltage_v": self.voltage_v,
            "detector": self.detector,
            "compression": self.compression,
            "pages": self.pages,
            "levels": self.levels,
        }


@dataclass(slots=True)
class VoxelSizes:
    """Voxel sizes in nanometres by axis, and the tags that gave each."""

    sizes: dict[str, float] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)

    def add(self, axis: str, size: float | None, words: str) -> None:
        """Note a size in nanometres, unless it is None; if one is known already, compare them."""
        if size is None:
            return
        known = self.sizes.setdefault(axis, size)
        self.source.setdefault(axis, words)
        if not _agree(known, size):
            pair = f"{self.source[axis]} {_format_value(known)}, {words} {_format_value(size)}"
            self.conflicts.append(f"voxel_{axis}_nm: {pair}")

    def get(self, axis: str) -> float | None:
        """Return the voxel size along an axis in nanometres, or None."""
        return self.sizes.get(axis)

    def facts(self) -> dict[str, Any]:
        """Return them as arguments of FileFacts."""
        sizes = {f"voxel_{axis}_nm": self.get(axis) for axis in AXES}
        return {**sizes, "voxel_source": self.source, "conflicts": "; ".join(self.conflicts)}


def merge_sources(
    facts: Sequence[tuple[str, Mapping[str, object]]],
) -> tuple[dict[str, object], str]:
    """Merge the columns of several sources, best first; return them and their disagreements.

    facts: name of the source ("file", "record", "page") and its columns
    Of each column the first value counts. ``voxel_x_from`` names the source of ``voxel_x_nm``.
    """
    merged: dict[str, object] = {}
    disagreements: list[str] = []
    names = dict.fromkeys(name for _, columns in facts for name in columns)
    for column in (name for name in names if not name.endswith("_from")):
        values = [
            (source, columns[column]) for source, columns in facts if _has_value(columns, column)
        ]
        merged[column] = values[0][1] if values else None
        if column.startswith("voxel_"):
            origin = column.removesuffix("_nm") + "_from"
            merged[origin] = next(
                (_source_of(s, c, origin) for s, c in facts if _has_value(c, column)), ""
            )
        if any(not _agree(values[0][1], value) for _, value in values[1:]):
            disagreements.append(
                f"{column}: " + ", ".join(f"{s} {_format_value(v)}" for s, v in values)
            )
    return merged, "; ".join(disagreements)


def _has_value(columns: Mapping[str, object], column: str) -> bool:
    return columns.get(column) not in {None, ""}


def _source_of(source: str, columns: Mapping[str, object], origin: str) -> object:
    return columns.get(origin) or source


def _agree(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        if isinstance(one, int) and isinstance(other, int):
            return one == other
        return abs(one - other) <= _TOLERANCE * max(abs(one), abs(other))
    first, second = str(one).casefold(), str(other).casefold()
    # A date without a time agrees with the same date with one.
    return first == second or (_is_date(first, second) and first[:10] == second[:10])


def _is_date(first: str, second: str) -> bool:
    return min(len(first), len(second)) == 10 and first[4:5] == "-" and first[7:8] == "-"


def _format_value(value: object) -> str:
    return str(float(f"{value:.6g}")) if isinstance(value, float) else str(value)
