"""The voxels of an unfinished crop: below OUT/.parts, kept from one run to the next."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from imgcrawl.records.volume import Chunks, Raw
from imgcrawl.storage.disk_sync import sync_file
from imgcrawl.volumes.crop.provenance import crop_bytes

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from imgcrawl.records.volume import Crop


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
        for path in self.raw.parent.glob(f"{_record(record_id)}-*"):
            if not path.name.startswith(self.raw.name):
                path.unlink()

    def load(self) -> Raw | None:
        """Return all the voxels if an earlier run had read them, or None."""
        try:
            chunks = Chunks(**json.loads(self.done.read_bytes()))
            size = self.raw.stat().st_size
        except (OSError, ValueError, TypeError):
            return None
        if size != self.start + crop_bytes(self.crop):
            return None
        level = self.crop.level
        shape = (level.channels, *self.crop.shape)
        return Raw(str(self.raw), shape, level.dtype, self.start, chunks)

    def finish(self, raw: Raw) -> None:
        """Note that all the voxels are there."""
        sync_file(self.raw)
        temporary = self.done.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(raw.chunks)), "utf-8")
        temporary.replace(self.done)

    def allocated(self) -> int:
        """Return the bytes of the disk that the voxels take already; their file has holes."""
        try:
            return self.raw.stat().st_blocks * 512
        except FileNotFoundError:
            return 0


def remove_parts(folder: Path, record_id: str) -> None:
    """Remove all parts of a record that is stored, or will not be."""
    for path in folder.glob(f"{_record(record_id)}-*"):
        path.unlink()


def _record(record_id: str) -> str:
    return hashlib.sha256(record_id.encode("utf-8", "replace")).hexdigest()[:16]
