"""``scrapy rebuild OUT``: the tables made again from the ledger."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.errors import ArgumentError, OutputError
from imgcrawl.ledger import Ledger
from imgcrawl.outcomes import Outcome
from imgcrawl.output import FAILURES, LEDGER, METADATA
from imgcrawl.remote.opened import opened
from imgcrawl.summary import ExitStatus
from imgcrawl.tables import write_all

if TYPE_CHECKING:
    import argparse

    from imgcrawl.output import OutputDirectory


class Command(ScrapyCommand):
    """Writes metadata.csv, failures.csv and attribution.txt of an OUT anew."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """How to type it."""
        return "OUT"

    def short_desc(self) -> str:
        """What ``scrapy`` prints beside it."""
        return "Make metadata.csv and failures.csv again from a dataset's ledger"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Rebuild one OUT; exit status 1 where it cannot be."""
        if len(args) != 1:
            raise UsageError("scrapy rebuild takes one OUT: the folder, or s3:// or gs:// address")
        assert self.settings is not None
        try:
            with opened(args[0], self.settings) as out:
                counts = rebuild(out)
        except (ArgumentError, OutputError) as error:
            sys.stderr.write(f"scrapy rebuild: {error}\n")
            usage = isinstance(error, ArgumentError)
            self.exitcode = ExitStatus.USAGE if usage else ExitStatus.FAILED
            return
        stored = counts.pop(Outcome.STORED, 0)
        missing = sum(counts.values())
        place = args[0].rstrip("/")
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
