"""``scrapy split OUT``: training, validation and test, with no patient in two of them."""

from __future__ import annotations

import logging
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from imgcrawl.arguments import split_words
from imgcrawl.dataset.dataset_table import bring_tables, open_table
from imgcrawl.dataset.out_command import OutCommand
from imgcrawl.exports.split_request import (
    DEFAULT_RATIOS,
    SplitRequest,
    folds,
    parse_ratios,
    require_columns,
)
from imgcrawl.progress.counter import RecordCounter
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.storage.directory import DUPLICATES, SPLITS_REPORT, SPLITS_TABLE
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    import argparse

    from imgcrawl.exports.split import SplitFigures
    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)

SHOWN = 30  # classes on the terminal; splits.json has all
TOLD = 10  # shares that are not what was asked for


class Command(OutCommand["SplitFigures"]):
    """Writes splits.csv, and prints the classes by split."""

    merged, writes = True, SPLITS_TABLE
    failed = ExitStatus.USAGE

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[options] OUT"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Split a dataset for training and test: no patient in two splits, classes balanced"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        super().add_options(parser)
        parser.add_argument(
            "--ratios", metavar="NAME=NUMBER,...", help=f"by default {DEFAULT_RATIOS}"
        )
        parser.add_argument(
            "--folds", type=int, metavar="K", help="in place of ratios: K equal ones"
        )
        parser.add_argument(
            "--group",
            default="",
            metavar="COLUMN,...",
            help="records with the same value in any of these stay together",
        )
        parser.add_argument(
            "--stratify",
            default="",
            metavar="COLUMN",
            help="each split has its share of each class",
        )
        parser.add_argument("--seed", type=int, default=0, help="another one, other splits")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Split the one OUT; exit status 2, and the splits of before, where it cannot be."""
        self._opts = opts
        super().run(args, opts)

    def process(self, out: OutputDirectory, storage: Storage) -> SplitFigures:
        """Split one OUT."""
        from imgcrawl.exports.split import write_splits  # noqa: PLC0415 - each crawl loads all commands

        assert self.settings is not None
        request = self._request = self._asked()
        bring_tables(out, storage, SPLITS_TABLE, SPLITS_REPORT, DUPLICATES)
        with (
            open_table(out) as table,
            closing(RecordCounter("split", self.settings, logger)) as progress,
        ):
            require_columns("--group", request.group, table.columns)
            require_columns("--stratify", request.stratify, table.columns)
            return write_splits(out, table, request, progress.show)

    def _asked(self) -> SplitRequest:
        opts = self._opts
        if opts.folds is not None and opts.ratios is not None:
            raise ArgumentError("--folds and --ratios say different things: leave one of them out")
        if opts.folds is not None and not 2 <= opts.folds <= 1000:
            raise ArgumentError(f"--folds {opts.folds}: type a number from 2 to 1000, such as 5")
        return SplitRequest(
            ratios=parse_ratios(opts.ratios or DEFAULT_RATIOS)
            if opts.folds is None
            else folds(opts.folds),
            group=tuple(split_words(opts.group)),
            stratify=tuple(split_words(opts.stratify)),
            seed=opts.seed,
        )

    def print_result(self, found: SplitFigures, place: str) -> None:
        """Print the classes by split, what could not be met, and where the splits are."""
        sys.stdout.write("\n".join(describe(self._request, found, place)) + "\n")


def describe(request: SplitRequest, found: SplitFigures, place: str) -> list[str]:
    """Return the lines that tell people what came of it."""
    from imgcrawl.exports.split import off_shares  # noqa: PLC0415 - as above

    names = [*request.ratios]
    sums = dict.fromkeys(names, 0)
    for counts in found.records.values():
        for name, n in counts.items():
            sums[name] += n
    rows = [("class", *names, "records"), _row("all", sums)]
    if request.stratify:
        rows += [_row(name or "(none)", n) for name, n in [*found.records.items()][:SHOWN]]
    lines = _aligned(rows)
    if request.stratify and len(found.records) > SHOWN:
        lines.append(f"... and {len(found.records) - SHOWN:,} smaller classes: {SPLITS_REPORT}")
    if found.groups:
        joined = ", ".join([*request.group, "equal bytes", "duplicates.csv"])
        lines.append(
            f"{found.groups:,} groups of several records (the largest has {found.largest:,}) by "
            f"{joined}: none lies in two splits."
        )
    if found.anew:
        lines.append("The splits of before were made with other options: all are made anew.")
    elif found.kept or found.moved:
        lines.append(f"{found.kept:,} records keep the split that they had.")
    if found.moved:
        lines.append(
            f"Not kept: {found.moved:,} records had another split, and share a group by now with "
            "records of this one."
        )
    off = [*off_shares(request, found)]
    for name, split, share in off[:TOLD]:
        n = sum(found.records[name].values())
        what = (
            f"class {printable(name)!r} ({n:,} records)" if request.stratify else "of all records"
        )
        lines.append(
            f"Not met: {what}: {share:.1%} in {split}, {request.ratios[split]:.1%} wanted."
        )
    if len(off) > TOLD:
        lines.append(f"... and {len(off) - TOLD:,} more shares: {SPLITS_REPORT} has the numbers.")
    total = sum(sums.values())
    return [*lines, f"{place}/{SPLITS_TABLE}: {total:,} records in {len(names)} splits"]


def _row(name: str, counts: dict[str, int]) -> tuple[str, ...]:
    total = sum(counts.values())
    cells = (f"{n:,} ({n / total:.1%})" for n in counts.values())
    return (printable(name, 40), *cells, f"{total:,}")


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
