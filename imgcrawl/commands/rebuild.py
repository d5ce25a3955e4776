"""``scrapy rebuild OUT``: the tables made again from the ledger."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from imgcrawl.ledger import Ledger
from imgcrawl.out_command import OutCommand
from imgcrawl.outcomes import Outcome
from imgcrawl.output import FAILURES, LEDGER, METADATA
from imgcrawl.tables import write_all

if TYPE_CHECKING:
    from imgcrawl.output import OutputDirectory


class Command(OutCommand[dict[Outcome, int]]):
    """Writes metadata.csv, failures.csv and attribution.txt of an OUT anew."""

    def short_desc(self) -> str:
        """What ``scrapy`` prints beside it."""
        return "Make metadata.csv and failures.csv again from a dataset's ledger"

    def work_on(self, out: OutputDirectory) -> dict[Outcome, int]:
        """Rebuild one OUT."""
        return rebuild(out)

    def tell(self, found: dict[Outcome, int], place: str) -> None:
        """Say how many rows there are."""
        stored = found.pop(Outcome.STORED, 0)
        missing = sum(found.values())
        sys.stdout.write(
            f"{place}/{METADATA}: {stored:,} rows\n{place}/{FAILURES}: {missing:,} rows\n"
        )


def rebuild(out: OutputDirectory) -> dict[Outcome, int]:
    """Make the tables of an OUT anew; how many records ended in which way.

    Raises OutputError where its ledger cannot be read.
    """
    ledger = Ledger(out.root / LEDGER)
    try:
        write_all(out, ledger)
        return ledger.counts()
    finally:
        ledger.close()
