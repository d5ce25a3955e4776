"""The chunks of a copy beside those that its documents promise."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.volume import MOSTLY_ABSENT, describe_absence
from imgcrawl.volumes.copy.grid import count_present

if TYPE_CHECKING:
    from imgcrawl.records.items import Metadata
    from imgcrawl.volumes.copy.documents import CopyDocuments
    from imgcrawl.volumes.copy.manifest import CopyManifest
    from imgcrawl.volumes.copy.objects import CopyObjects

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PromisedChunks:
    """How many chunks (or shards) the documents of a copy promise, and how many are stored."""

    promised: int
    present: int

    @property
    def absence(self) -> str:
        """How many are absent, if that is most of them: "7 of 8 chunks"; else ""."""
        return describe_absence(self.absent, self.promised, "chunks")

    @property
    def absent(self) -> int:
        """How many are not stored; an array that was made smaller has more than are promised."""
        return max(0, self.promised - self.present)

    def columns(self, *, computed: bool) -> Metadata:
        """Return what metadata.csv says of it; `computed`: whether each was asked for."""
        absent = {"objects_absent": self.absent} if computed else {}
        return absent | ({MOSTLY_ABSENT: self.absence} if self.absence else {})


async def count_promised(
    objects: CopyObjects, documents: CopyDocuments, manifest: CopyManifest
) -> PromisedChunks | None:
    """Return the chunks of a complete copy, or None if its documents cannot be understood."""
    try:
        grids = await objects.grids(documents.described)
    except RecordMissing as error:
        logger.info("The chunks were not compared with the documents: %s", error.message)
        return None
    present = await asyncio.to_thread(count_present, grids, manifest.keys())
    return PromisedChunks(sum(prod(grid.counts) for _, grid in grids), present)
