"""``scrapy lock OUT``: the bytes of a dataset and their addresses, in one file."""

from __future__ import annotations

import logging
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from imgcrawl.dataset.out_command import OutCommand
from imgcrawl.exports.lock import LockFigures, write_lock
from imgcrawl.progress.counter import RecordCounter
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.storage.directory import DATASET_LOCK
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)


class Command(OutCommand[LockFigures]):
    """Writes dataset.lock.json, which `scrapy restore` reads."""

    merged, writes = True, DATASET_LOCK
    failed = ExitStatus.USAGE

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return f"Write {DATASET_LOCK}: every record's SHA-256 and addresses, to fetch it again"

    def process(self, out: OutputDirectory, storage: Storage) -> LockFigures:
        """Lock one OUT."""
        assert self.settings is not None
        with closing(RecordCounter("lock", self.settings, logger)) as progress:
            return write_lock(out, storage, progress.show)

    def print_result(self, found: LockFigures, place: str) -> None:
        """Print how much is locked, and what is not."""
        lines = [f"{place}/{DATASET_LOCK}: {found.locked:,} records ({format_size(found.bytes)})"]
        if found.volumes:
            lines.append(
                f"Not locked: {found.volumes:,} cubes and copies of volumes. The .crop.json beside "
                "a cube says how to cut the same again: scrapy recrop FILE"
            )
        if found.no_file:
            lines.append(f"Not locked: {found.no_file:,} records without a file or a SHA-256.")
        if found.no_address:
            lines.append(
                f"{found.no_address:,} have no address that may be told: all have a secret in them."
            )
        if found.locked:
            lines.append(
                f"The same bytes again, anywhere: scrapy restore {place}/{DATASET_LOCK} -a out=DIR"
            )
        sys.stdout.write("\n".join(lines) + "\n")
