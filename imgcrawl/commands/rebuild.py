"""``scrapy rebuild OUT``: the tables made again from the ledger."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.errors import OutputError
from imgcrawl.ledger import Ledger
from imgcrawl.outcomes import Outcome
from imgcrawl.output import FAILURES, LEDGER, METADATA, OutputDirectory
from imgcrawl.summary import ExitStatus
from imgcrawl.tables import write_all

if TYPE_CHECKING:
    import argparse


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
            raise UsageError("scrapy rebuild takes one directory, that of a dataset")
        root = Path(args[0])
        if not (root / LEDGER).is_file():
            raise UsageError(f"{root} holds no {LEDGER}: it is no dataset of imgcrawl's")
        try:
            counts = rebuild(root)
        except OutputError as error:
            sys.stderr.write(f"scrapy rebuild: {error}\n")
            self.exitcode = ExitStatus.FAILED
            return
        stored = counts.pop(Outcome.STORED, 0)
        missing = sum(counts.values())
        sys.stdout.write(
            f"{root / METADATA}: {stored:,} rows\n{root / FAILURES}: {missing:,} rows\n"
        )


def rebuild(root: Path) -> dict[Outcome, int]:
    """Make the tables of an OUT anew; how many records ended in which way.

    Raises OutputError where OUT is in use or its ledger cannot be read.
    """
    out = OutputDirectory(root)
    try:
        ledger = Ledger(root / LEDGER)
        try:
            write_all(out, ledger)
            return ledger.counts()
        finally:
            ledger.close()
    finally:
        out.close()
