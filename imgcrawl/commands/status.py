"""``scrapy status [OUT ...]``: how the last run of each dataset went."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.dataset.history import MOST_RUNS, RunRow, parse_runs, read_runs, settled
from imgcrawl.dataset.status import (
    RUNNING,
    RunStatus,
    find_outs,
    read_status,
    read_store_status,
)
from imgcrawl.progress.dataset_metrics import dataset_metrics
from imgcrawl.progress.openmetrics import write_prom
from imgcrawl.records.errors import ArgumentError, StoreError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.storage.address import BucketAddress, is_address
from imgcrawl.storage.directory import RUNS
from imgcrawl.text.redact import printable
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

DEFAULT = "data"


class Command(ScrapyCommand):
    """Prints a line a dataset, or JSON; never opens a ledger, so it holds up no run."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[--history] [--json | --metrics FILE.prom] [OUT, a folder of them, or s3://... ...]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Tell how the last run of each dataset went, and what runs now"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the switches: JSON, and the runs before the last."""
        super().add_options(parser)
        parser.add_argument(
            "--metrics", metavar="FILE.prom", help="write OpenMetrics there as a whole; -: print it"
        )
        parser.add_argument("--history", action="store_true", help="the runs before the last, too")
        parser.add_argument(
            "--last", type=int, default=30, metavar="N",
            help=f"so many of them (default: 30; {RUNS} has {MOST_RUNS:,})",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print a JSON list")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print the statuses; exit with the worst: 1 failed or killed, 128 + N, 3 missing, 0."""
        if opts.last < 1:
            raise UsageError("--last takes a number of runs, 1 or more")
        most = opts.last if opts.history else 0
        found = [*self._found(args)]
        statuses = [status for status, _ in found]
        if opts.metrics is not None:
            self._write_metrics(found, opts.metrics)
        elif opts.json:
            sys.stdout.write(json.dumps([_as_json(*each, most) for each in found], indent=2) + "\n")
        elif not statuses:
            sys.stdout.write(f"There is no dataset below {Path(DEFAULT).absolute()} yet.\n")
        for status, runs in () if opts.json or opts.metrics is not None else found:
            lines = as_table(runs[-most:]) if most else []
            sys.stdout.write("\n".join([as_text(status), *lines]) + "\n")
        worst = max(statuses, key=lambda status: status.severity, default=None)
        self.exitcode = worst.worst_status if worst else ExitStatus.COMPLETE

    def _write_metrics(self, found: list[tuple[RunStatus, list[RunRow]]], file: str) -> None:
        text = dataset_metrics(found)
        if file == "-":
            sys.stdout.write(text)
            return
        try:
            write_prom(Path(file), text)
        except OSError as error:
            raise UsageError(f"{file} cannot be written ({error.strerror or error})") from error

    def _found(self, names: list[str]) -> Iterator[tuple[RunStatus, list[RunRow]]]:
        """Yield the status and the runs of each dataset, once. Raises UsageError."""
        outs: dict[Path, None] = {}
        for name in names or [DEFAULT]:
            if is_address(name):
                yield self._in_store(name)
                continue
            below = list(find_outs(Path(name)))
            if not below and names:
                raise UsageError(f"{name}: no dataset of imgcrawl's is there or below")
            outs.update(dict.fromkeys(below))
        for out in outs:
            status = read_status(out)
            try:
                runs = read_runs(out)
            except OSError as error:
                words = f"{RUNS} cannot be read ({error.strerror or error})"
                sys.stderr.write(f"scrapy status: {out}: {words}\n")
                runs = []
            yield status, settled(runs, running=status.state == RUNNING)

    def _in_store(self, name: str) -> tuple[RunStatus, list[RunRow]]:
        # The libraries of the stores take a second and tens of megabytes to load.
        from imgcrawl.storage.open_store import open_bucket  # noqa: PLC0415

        assert self.settings is not None
        try:
            store = open_bucket(BucketAddress.of(name), self.settings)
            status = read_store_status(store, name, self.settings.getfloat("STORE_LOCK_STALE"))
            kept = store.read(RUNS)
        except (ArgumentError, StoreError) as error:
            raise UsageError(str(error)) from error
        runs = parse_runs(kept.data) if kept is not None else []
        return status, settled(runs, running=status.state == RUNNING)


def _as_json(status: RunStatus, runs: list[RunRow], most: int) -> dict[str, Any]:
    return status.as_json() | ({"runs": [asdict(row) for row in runs[-most:]]} if most else {})


def as_table(runs: list[RunRow]) -> list[str]:
    """Return the lines of a table of runs, the latest last."""
    if not runs:
        return ["  no run has left a row yet"]
    head = ("took", "new", "missing", "changed", "bytes", "a second")
    lines = [f"  {'began (UTC)':<20}  {_columns(head)}  how it ended"]
    for run in runs:
        cells = (
            "" if run.seconds is None else f"{run.seconds:,.0f} s",
            *("" if n is None else f"{n:,}" for n in (run.new, run.missing, run.relabelled)),
            "" if run.bytes is None else format_size(run.bytes),
            "" if run.records_per_second is None else f"{run.records_per_second:,.1f}",
        )
        words = f"{run.status} ({run.error})" if run.error else run.status
        if run.missing_by_reason:
            words += f": {run.missing_by_reason}"
        lines.append(f"  {run.started_at:<20}  {_columns(cells)}  {words}")
    return lines


def _columns(cells: Iterable[str]) -> str:
    return "  ".join(f"{cell:>9}" for cell in cells)


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
