"""``scrapy linkrot OUT``: what of a dataset's links is gone."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING

from imgcrawl.dataset.command import OutCommand
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.linkrot import COLUMNS, Report, report, rows
from imgcrawl.storage.directory import LEDGER, LINKROT
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from typing import IO

    from rich.console import Console

    from imgcrawl.storage.directory import OutputDirectory

SHOWN = 10  # groups of a kind on the terminal; linkrot.csv has all


class Command(OutCommand[Report]):
    """Prints what is gone, and writes all of it to linkrot.csv."""

    def short_desc(self) -> str:
        """What ``scrapy`` prints beside it."""
        return "Report which links of a dataset are gone, by host, class, split and reason"

    def work_on(self, out: OutputDirectory) -> Report:
        """Report on one OUT."""
        return write_report(out)

    def tell(self, found: Report, place: str) -> None:
        """Show the worst."""
        from rich.console import Console  # noqa: PLC0415 - every command is imported to list them

        show(Console(highlight=False), found)
        sys.stdout.write(f"\nAll of it is in {place}/{LINKROT}\n")


def write_report(out: OutputDirectory) -> Report:
    """Write linkrot.csv. Raises OutputError where the ledger of OUT cannot be read."""
    ledger = Ledger(out.root / LEDGER)
    try:
        found = report(ledger)
    finally:
        ledger.close()

    def write(file: IO[str]) -> None:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([safe_cell(cell) for cell in row] for row in rows(found))

    out.write(LINKROT, write)
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
