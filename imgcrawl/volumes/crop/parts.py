"""The voxels of an unfinished crop: below OUT/.parts, kept from one run to the next."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from imgcrawl.records.volume import Chunks, Raw
from imgcrawl.storage.disk_sync import sync_file
from imgcrawl.volumes.crop.digests import voxels_sha256
from imgcrawl.volumes.crop.provenance import crop_bytes

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from imgcrawl.records.volume import Crop


_SMALL = 4 << 20  # bytes of voxels
_SHA256 = "sha256"


@dataclass(frozen=True, slots=True)
class CropParts:
    """The files of one crop.

    Their name depends on the record and the box, so that voxels read for one crop are never taken
    for another's, not even for the same record after its source has changed.

    crop:  what is wanted
    start: the byte of the file where the voxels begin
    raw:   the file of the voxels, as described by `Raw`
    done:  the file with the number of chunks, written once all voxels are there
    """

    crop: Crop
    start: int
    raw: Path
    done: Path

    @classmethod
    def of(cls, folder: Path, record_id: str, crop: Crop, start: int) -> Self:
        """Return the parts of a record's crop whose voxels begin at byte `start`."""
        level = crop.level
        wanted: list[object] = [
            level.address.url,
            level.name,
            level.scale,
            level.sha256,
            level.dtype,
        ]
        wanted += [crop.origin, crop.shape, crop.time, start]
        which = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:8]
        name = f"{_record(record_id)}-{which}.raw"
        return cls(crop, start, folder / name, folder / f"{name}.done")

    def prepare(self, record_id: str) -> None:
        """Make the folder, and remove the parts of other crops of the record."""
        self.raw.parent.mkdir(exist_ok=True)
        for path in _parts_of(self.raw.parent, record_id):
            if not path.name.startswith(self.raw.name):
                path.unlink()

    def load(self) -> Raw | None:
        """Return all the voxels if an earlier run had read them, or None."""
        level = self.crop.level
        shape = (level.channels, *self.crop.shape)
        try:
            told = json.loads(self.done.read_bytes())
            sha256 = told.pop(_SHA256, None)
            raw = Raw(str(self.raw), shape, level.dtype, self.start, Chunks(**told))
            if self.raw.stat().st_size != self.start + crop_bytes(self.crop):
                return None
            return raw if sha256 in {None, voxels_sha256(raw)} else None
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def finish(self, raw: Raw) -> None:
        """Note that all the voxels are there."""
        note = asdict(raw.chunks)
        if crop_bytes(self.crop) <= _SMALL:
            # What a power cut may take is told by its digest: that costs less than the disk does.
            note[_SHA256] = voxels_sha256(raw)
        else:
            sync_file(self.raw)
        temporary = self.done.with_suffix(".new")
        temporary.write_text(json.dumps(note), "utf-8")
        temporary.replace(self.done)

    def allocated(self) -> int:
        """Return the bytes of the disk that the voxels take already; their file has holes."""
        try:
            return self.raw.stat().st_blocks * 512
        except FileNotFoundError:
            return 0


def remove_parts(folder: Path, record_id: str) -> None:
    """Remove all parts of a record that is stored, or will not be."""
    for path in _parts_of(folder, record_id):
        path.unlink()


def _parts_of(folder: Path, record_id: str) -> list[Path]:
    """Return the files of a record's parts, whichever there are."""
    begin = f"{_record(record_id)}-"
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a third of the time of a glob, once a cube
    except FileNotFoundError:
        return []
    return [folder / name for name in names if name.startswith(begin)]


def _record(record_id: str) -> str:
    return hashlib.sha256(record_id.encode("utf-8", "replace")).hexdigest()[:16]
