"""WebDataset: tars of KEY.jpg and KEY.json, which are read from beginning to end.

Source: https://github.com/webdataset/webdataset ("The WebDataset Format"): files of one sample
follow each other and share what is before the first dot.
"""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING

from imgcrawl.exports.shards import ExportFigures, write_shards

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imgcrawl.exports.bodies import Bodies
    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.source import ExportRecord, ExportSource


class _TarWriter:
    """Writes one tar, the same for the same records whenever it is written."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed below

    def add(self, record: ExportRecord, bodies: Bodies) -> None:
        """Add the files of a record."""
        self._put(f"{record.key}{bodies.picture.extension}", bodies.picture.data)
        for number, mask in enumerate(bodies.masks):
            name = f"mask{number or ''}"
            self._put(f"{record.key}.{name}{mask.extension}", mask.data)
        columns = json.dumps(record.row, ensure_ascii=False, separators=(",", ":"))
        self._put(f"{record.key}.json", columns.encode("utf-8", "backslashreplace"))

    def _put(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o644
        self._tar.addfile(member, BytesIO(data))

    def close(self) -> None:
        """Complete the tar."""
        self._tar.close()


def export(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    progress: Callable[[int, int], object],
) -> ExportFigures:
    """Write ``SPLIT-000000.tar`` and so on."""

    def name_of(split: str, number: int) -> str:
        return f"{split}-{number:06}.tar"

    return write_shards(source, plan, dest, name_of, _TarWriter, progress=progress)
