"""The columns of a crop or a copied level in metadata.csv, named as those of files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.records.volume import MOSTLY_ABSENT

if TYPE_CHECKING:
    from imgcrawl.records.items import Metadata
    from imgcrawl.records.volume import Level, Zyx
    from imgcrawl.volumes.crop.provenance import Provenance

_FROM = {
    "zarr": "volume: Zarr v2",
    "zarr3": "volume: Zarr v3",
    "n5": "volume: N5",
    "neuroglancer_precomputed": "volume: precomputed info",
}


# All that a cube may have of its own, those that its spider adds included.
OWN_COLUMNS = frozenset(
    {
        *FileFacts(format="").columns(),
        *(f"origin_{axis}" for axis in "zyx"),
        *(f"origin_{axis}_nm" for axis in "zyx"),
        *("cube_id", "layer", "role", "dataset", "split", "listed_size"),
        *("axes", "volume", "level", "time", "seed", "draw", MOSTLY_ABSENT),
        *("chunks_present", "chunks_missing", "chunks_forbidden"),
        *("voxels_sha256", "metadata_sha256"),
    }
)


def columns(provenance: Provenance) -> Metadata:
    """Return what is known of a stored crop; a column without a value is left out.

    ``volume`` is the source as a person writes it, ``metadata_sha256`` that of its documents.
    """
    crop, level = provenance.crop, provenance.crop.level
    stored = crop.as_stored()
    facts = _facts(stored.level, stored.shape, _FROM[level.driver]).columns()
    facts.pop("format")
    own = {
        "axes": "czyx" if level.channels > 1 else "zyx",
        "volume": level.address.shown,
        "level": level.name,
        **{f"origin_{a}": first for a, first in zip("zyx", crop.origin, strict=True)},
        "time": crop.time if level.times > 1 else None,
        "seed": crop.seed,
        "draw": crop.draw,
        "chunks_present": provenance.chunks.present,
        "chunks_missing": provenance.chunks.missing,
        "chunks_forbidden": provenance.chunks.forbidden,
        MOSTLY_ABSENT: provenance.chunks.absence or None,
        "voxels_sha256": provenance.voxels_sha256,
        "metadata_sha256": level.sha256,
    }
    return {name: value for name, value in (facts | own).items() if value is not None}


def columns_of_level(level: Level, kind: str) -> Metadata:
    """Return what is known of a level that is copied as it is, in the columns of files.

    kind: of its multiscale, which gave the voxel size: "OME-Zarr 0.4"
    """
    facts = replace(
        _facts(level, level.shape, f"volume: {kind}"),
        size_t=level.times if level.times > 1 else None,
        compression=level.encoding or None,
    ).columns()
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _facts(level: Level, shape: Zyx, source: str) -> FileFacts:
    names = zip("zyx", level.voxel_nm, strict=True)
    return FileFacts(
        format="",
        size_z=shape[0],
        size_y=shape[1],
        size_x=shape[2],
        size_c=level.channels if level.channels > 1 else None,
        dtype=level.dtype,
        voxel_z_nm=level.voxel_nm[0],
        voxel_y_nm=level.voxel_nm[1],
        voxel_x_nm=level.voxel_nm[2],
        voxel_source={axis: source for axis, size in names if size is not None},
    )
