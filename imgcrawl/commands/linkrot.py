"""``scrapy linkrot OUT``: which links of a dataset are gone."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING

from imgcrawl.dataset.linkrot import LinkRot, write_link_rot
from imgcrawl.dataset.out_command import OutCommand
from imgcrawl.storage.directory import LINKROT

if TYPE_CHECKING:
    from rich.console import Console

    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory

SHOWN = 10  # groups of a kind on the terminal; linkrot.csv has all


class Command(OutCommand[LinkRot]):
    """Prints what is gone, and writes all of it to linkrot.csv."""

    writes = LINKROT

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Report which links of a dataset are gone, by host, class, split and reason"

    def process(self, out: OutputDirectory, storage: Storage) -> LinkRot:
        """Report on one OUT."""
        return write_link_rot(out)

    def print_result(self, found: LinkRot, place: str) -> None:
        """Print the worst groups."""
        from rich.console import Console  # noqa: PLC0415 - every command is imported to list them

        show(Console(highlight=False), found)
        sys.stdout.write(f"\nAll of it is in {place}/{LINKROT}\n")


def show(console: Console, found: LinkRot) -> None:
    """Print the figures, of each kind the groups with most links gone."""
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    for by in found.KINDS:
        if not (n_groups := found.n_groups(by)):
            continue
        more = f", the {SHOWN} with most gone of {n_groups:,}" if n_groups > SHOWN else ""
        table = Table(title="All links" if by == "all" else f"By {by}{more}", title_justify="left")
        table.add_column("" if by == "all" else by, max_width=40)
        for name in ("links", "gone", "share", "recovered"):
            table.add_column(name, justify="right")
        table.add_column("why")
        for key, rot in islice(found.groups(by), SHOWN):
            why = ", ".join(
                f"{reason} {n:,}" for reason, n in rot.reasons.most_common(99 if by == "all" else 4)
            )
            share = f"{rot.share:.1%}"
            figures = f"{rot.links:,}", f"{rot.gone:,}", share, f"{rot.wayback:,}"
            table.add_row(escape(key), *figures, why)
        console.print(table)
