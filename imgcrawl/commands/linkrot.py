"""``scrapy linkrot OUT``: which links of a dataset are gone."""

from __future__ import annotations

import sys
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
