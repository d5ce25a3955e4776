"""``scrapy describe PATH_OR_URL...``: a table of files on disk or over HTTP."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from imgcrawl.microscopy.describe_paths import DescribedFile


class Command(ScrapyCommand):
    """Prints CSV; of a URL only a few byte ranges are fetched."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[-O TABLE.csv] PATH_OR_URL ..."

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Tell shape, type, voxel size and more of files, on disk or over HTTP"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options: where the table goes, and whether persons are named."""
        super().add_options(parser)
        parser.add_argument("-O", "--table", type=Path, help="write the table there")
        parser.add_argument(
            "--private", action="store_true", help="names of persons and paths of users too"
        )

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Describe everything; exit status 3 where something could not be read."""
        from imgcrawl.microscopy.describe_paths import describe_all  # noqa: PLC0415 - reads every format

        if not args:
            raise UsageError("scrapy describe takes files, folders or URLs")
        assert self.settings is not None
        rows = describe_all(args, self.settings, private=opts.private)
        if opts.table:
            with opts.table.open("w", encoding="utf-8", newline="") as file:
                bad = _write(csv.writer(file), rows)
        else:
            bad = _write(csv.writer(sys.stdout), rows)
        if bad:
            self.exitcode = ExitStatus.SOME_MISSING


def _write(writer: csv.Writer, rows: Iterable[DescribedFile]) -> int:  # type: ignore[name-defined] # of typeshed
    """Write the table; return how many files could not be read."""
    columns: list[str] = []
    bad = 0
    for row in rows:
        if not columns:
            columns = row.columns()
            writer.writerow(columns)
        cells = row.cells()
        writer.writerow([safe_cell(cells.get(column)) for column in columns])
        bad += row.problem is not None
    return bad
