"""``scrapy rebuild OUT``: the tables made again from the ledger."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from imgcrawl.dataset.out_command import OutCommand
from imgcrawl.dataset.rebuild import RebuildCounts, rebuild
from imgcrawl.storage.directory import FAILURES, METADATA
from imgcrawl.storage.open_output import OutFile

if TYPE_CHECKING:
    import argparse

    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory


class Command(OutCommand[RebuildCounts]):
    """Writes metadata.csv, failures.csv and attribution.txt of an OUT anew."""

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Make metadata.csv and failures.csv again from a dataset's ledger"

    def written(self, opts: argparse.Namespace) -> OutFile | None:
        """Return what it writes into OUT."""
        return OutFile(METADATA, "type a copy of the dataset")

    def process(self, out: OutputDirectory, storage: Storage) -> RebuildCounts:
        """Rebuild one OUT."""
        return rebuild(out)

    def print_result(self, found: RebuildCounts, place: str) -> None:
        """Print how many rows there are."""
        stored, missing = found.stored, sum(found.outcomes.values()) - found.stored
        sys.stdout.write(
            f"{place}/{METADATA}: {stored:,} rows\n{place}/{FAILURES}: {missing:,} rows\n"
        )
