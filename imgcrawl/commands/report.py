"""``scrapy report OUT``: a dataset on one page, to be looked at."""

from __future__ import annotations

import logging
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from imgcrawl.dataset.dataset_table import bring_tables
from imgcrawl.dataset.out_command import OutCommand
from imgcrawl.progress.counter import RecordCounter
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.storage.directory import DUPLICATES, REPORT, REPORT_PAGES
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    import argparse

    from imgcrawl.exports.report import ReportFigures
    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)


class Command(OutCommand["ReportFigures"]):
    """Writes report.html into OUT."""

    merged, writes = True, REPORT
    failed = ExitStatus.USAGE

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[options] OUT"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return (
            f"Write {REPORT}: pictures, classes, sizes, licences and what is missing, on one page"
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the option."""
        super().add_options(parser)
        parser.add_argument("--seed", type=int, default=0, help="another one, other pictures")
        parser.add_argument(
            "--pages", action="store_true", help=f"all pictures, too, on pages in {REPORT_PAGES}/"
        )

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Write the report of the one OUT; exit status 2 where it cannot be."""
        self._opts = opts
        self._place = args[0].rstrip("/") if args else ""
        super().run(args, opts)

    def process(self, out: OutputDirectory, storage: Storage) -> ReportFigures:
        """Report on one OUT."""
        from imgcrawl.exports.report import write_report  # noqa: PLC0415 - each crawl loads all commands

        assert self.settings is not None
        bring_tables(out, storage, DUPLICATES)
        with closing(RecordCounter("report", self.settings, logger)) as progress:
            return write_report(
                out,
                storage,
                self._place,
                seed=self._opts.seed,
                pages=self._opts.pages,
                progress=progress.show,
            )

    def print_result(self, found: ReportFigures, place: str) -> None:
        """Print where the report is."""
        sys.stdout.write(
            f"{place}/{REPORT}: {found.records:,} records, {found.pictures:,} pictures shown "
            f"({format_size(found.bytes)})\n"
        )
        if found.pages:
            sys.stdout.write(f"{place}/{REPORT_PAGES}/: all pictures, on {found.pages:,} pages\n")
