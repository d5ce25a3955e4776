"""The file or folder of a crop, or of several members of a cube: written, and then renamed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.storage.digests import bytes_of
from imgcrawl.text.times import utc_now
from imgcrawl.volumes.crop import writing
from imgcrawl.volumes.crop.digests import result_sha256, voxels_sha256
from imgcrawl.volumes.crop.provenance import Provenance, ProvenanceFile, make_provenance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgcrawl.records.volume import CubeMember, Raw


@dataclass(frozen=True, slots=True)
class WrittenCrop:
    """A crop in its format, not yet under its final name."""

    path: Path
    provenance: Provenance


def write_crop(
    members: Sequence[CubeMember],
    raws: Sequence[Raw],
    target: Path,
    partners: Sequence[str],
    url: str = "",
) -> WrittenCrop:
    """Write members of a cube, one alone or all that its file holds, in their format. Blocks.

    raws:     their voxels as they were read
    target:   where the file lies until it is complete; what is there is removed
    partners: the ids of the other members of the cube, in whichever file
    url:      where people would look for the volume of the first, if not where it lies
    Raises OSError, and ValueError for what the format cannot hold.
    """
    resampled = [target.with_name(f"{target.name}.resampled{n}") for n in range(len(raws))]
    remove(target)
    try:
        made = [_cube(*each) for each in zip(raws, members, resampled, strict=True)]
        parts = [(raw, m.crop.as_stored(), m.dataset) for raw, m in zip(made, members, strict=True)]
        path = writing.write(parts, target)
        name = members[0].path
        file = ProvenanceFile(name=name, bytes=bytes_of(path), sha256=result_sha256(path))
        digests = [voxels_sha256(raw) for raw in made]
        about = {"file": file, "made_at": utc_now()}
        for each in resampled:
            if each != path:
                remove(each)
        return WrittenCrop(path, make_provenance(members, raws, digests, partners, url, **about))
    except BaseException:
        for each in (target, *resampled):  # the disk is full, as likely as not
            remove(each)
        raise


def _cube(raw: Raw, member: CubeMember, resampled: Path) -> Raw:
    """Return the voxels of a member of a cube, made of those of its level where they differ."""
    crop = member.crop
    if not crop.is_resampled:
        return raw
    from imgcrawl.volumes.crop.resample import resample  # noqa: PLC0415 - numpy

    return resample(raw, crop, resampled, writing.voxels_start(crop.as_stored()))


def move_into_place(made: Path, final: Path, spare: Path) -> None:
    """Rename a complete crop to its final name, replacing what is there. Blocks.

    spare: a folder of the same disk for what is replaced, until it is removed
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.is_dir():
        # A folder that is not empty cannot be renamed over.
        old = spare / f"{made.name}.old"
        remove(old)
        final.rename(old)
        made.rename(final)
        remove(old)
    else:
        made.replace(final)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there. Blocks."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
