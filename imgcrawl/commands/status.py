"""``scrapy status [OUT ...]``: how the last run of each dataset went."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.dataset.status import RunStatus, find_outs, read_status
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.text.redact import printable
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    import argparse

DEFAULT = "data"


class Command(ScrapyCommand):
    """Prints a line a dataset, or JSON; never opens a ledger, so it holds up no run."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[--json] [OUT or a folder of them ...]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Tell how the last run of each dataset went, and what runs now"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the ``--json`` switch."""
        super().add_options(parser)
        parser.add_argument("--json", action="store_true", help="print a JSON list")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print the statuses; exit with the worst: 1 failed or killed, 128 + N, 3 missing, 0."""
        outs: dict[Path, None] = {}
        for name in args or [DEFAULT]:
            found = list(find_outs(Path(name)))
            if not found and args:
                raise UsageError(f"{name}: no dataset of imgcrawl's is there or below")
            outs.update(dict.fromkeys(found))
        statuses = [read_status(out) for out in outs]
        if opts.json:
            sys.stdout.write(json.dumps([status.as_json() for status in statuses], indent=2) + "\n")
        elif not statuses:
            sys.stdout.write(f"There is no dataset below {Path(DEFAULT).absolute()} yet.\n")
        else:
            sys.stdout.write("\n".join(map(as_text, statuses)) + "\n")
        worst = max(statuses, key=lambda status: status.severity, default=None)
        self.exitcode = worst.worst_status if worst else ExitStatus.COMPLETE


def as_text(status: RunStatus) -> str:
    """Return one dataset in one or two lines."""
    lines = [f"{printable(status.out, 4096)}: {status.describe()}"]
    if status.ended_at is not None:
        last = "" if status.state == "ended" else "the run before: "
        lines.append(
            f"  {last}{status.spider}, ended {status.ended_at} after {status.seconds:,.0f} s, "
            f"{status.new:,} new; {status.stored:,} stored "
            f"({format_size(status.bytes or 0)}), {status.missing:,} missing"
        )
    if status.state == "killed" and status.last_write_at:
        lines.append(f"  its last sign of life: {status.last_write_at}")
    return "\n".join(lines)
