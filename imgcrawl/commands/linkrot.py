"""``scrapy linkrot OUT``: what of a dataset's links is gone."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.cells import safe_cell
from imgcrawl.errors import OutputError
from imgcrawl.ledger import Ledger
from imgcrawl.linkrot import COLUMNS, Report, report, rows
from imgcrawl.output import LEDGER, LINKROT, OutputDirectory
from imgcrawl.summary import ExitStatus

if TYPE_CHECKING:
    import argparse
    from typing import IO

    from rich.console import Console

SHOWN = 10  # groups of a kind on the terminal; linkrot.csv has all


class Command(ScrapyCommand):
    """Prints what is gone, and writes all of it to linkrot.csv."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """How to type it."""
        return "OUT"

    def short_desc(self) -> str:
        """What ``scrapy`` prints beside it."""
        return "Report which links of a dataset are gone, by host, class, split and reason"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Report on one OUT; exit status 1 where it cannot be read."""
        from rich.console import Console  # noqa: PLC0415 - every command is imported to list them

        if len(args) != 1:
            raise UsageError("scrapy linkrot takes one directory, that of a dataset")
        root = Path(args[0])
        if not (root / LEDGER).is_file():
            raise UsageError(f"{root} holds no {LEDGER}: it is no dataset of imgcrawl's")
        try:
            found = write_report(root)
        except OutputError as error:
            sys.stderr.write(f"scrapy linkrot: {error}\n")
            self.exitcode = ExitStatus.FAILED
            return
        show(Console(highlight=False), found)
        sys.stdout.write(f"\nAll of it is in {root / LINKROT}\n")


def write_report(root: Path) -> Report:
    """Write linkrot.csv. Raises OutputError where OUT is in use or its ledger cannot be read."""
    out = OutputDirectory(root)
    try:
        ledger = Ledger(root / LEDGER)
        try:
            found = report(ledger)
        finally:
            ledger.close()

        def write(file: IO[str]) -> None:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows([safe_cell(cell) for cell in row] for row in rows(found))

        out.write(LINKROT, write)
    finally:
        out.close()
    return found


def show(console: Console, found: Report) -> None:
    """Print the figures, of each kind the groups with most links gone."""
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    for by, groups in found.items():
        if not groups or (by == "all" and not groups["all"].links):
            continue
        worst = sorted(groups.items(), key=lambda pair: (-pair[1].gone, pair[0]))
        more = f", the {SHOWN} with most gone of {len(worst):,}" if len(worst) > SHOWN else ""
        table = Table(title="All links" if by == "all" else f"By {by}{more}", title_justify="left")
        table.add_column("" if by == "all" else by, max_width=40)
        for name in ("links", "gone", "share", "recovered"):
            table.add_column(name, justify="right")
        table.add_column("why")
        for key, rot in worst[:SHOWN]:
            why = ", ".join(
                f"{reason} {n:,}" for reason, n in rot.reasons.most_common(99 if by == "all" else 4)
            )
            share = f"{rot.share:.1%}"
            figures = f"{rot.links:,}", f"{rot.gone:,}", share, f"{rot.wayback:,}"
            table.add_row(escape(key), *figures, why)
        console.print(table)
