"""``scrapy diff A B``: two versions of a dataset, compared."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.exports.diff import Difference, DiffFigures, write_diff
from imgcrawl.exports.lock import LockFigures, locked_records
from imgcrawl.exports.lock_file import read_head, read_records
from imgcrawl.records.errors import ArgumentError, OutputError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.storage.address import BucketAddress, is_address
from imgcrawl.storage.directory import DATASET_LOCK, DIFF
from imgcrawl.storage.open_output import OutFile, open_output
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from imgcrawl.exports.lock_file import LockedRecord
    from imgcrawl.storage.directory import OutputDirectory

SHOWN = 10  # columns on the terminal

WORDS = {
    Difference.ADDED: "only in B",
    Difference.REMOVED: "only in A",
    Difference.CHANGED: "other bytes",
    Difference.RELABELLED: "another value in a column",
}


class Command(ScrapyCommand):
    """Takes OUTs and locks; prints the numbers and writes diff.csv."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[--csv FILE] A B"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Compare two OUTs or locks: records added, removed, changed, relabelled"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the option."""
        super().add_options(parser)
        parser.add_argument("--csv", type=Path, help=f"by default B/{DIFF}")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Compare; exit status 2 if one of them cannot be read."""
        if len(args) != 2:
            raise UsageError(
                f"scrapy diff takes two: an OUT (folder, s3://, gs://) or a {DATASET_LOCK} each"
            )
        try:
            self._compare(args[0], args[1], opts.csv)
        except (ArgumentError, OutputError, OSError, sqlite3.DatabaseError) as error:
            sys.stderr.write(f"scrapy diff: {error}\n")
            self.exitcode = ExitStatus.USAGE

    def _compare(self, one: str, other: str, table: Path | None) -> None:
        with ExitStack() as opened:
            to_write = None if table else OutFile(DIFF, "type --csv FILE, elsewhere")
            after, out = opened.enter_context(self._open(other, to_write))
            if out is not None and _where(one) == _where(other):
                before: Iterable[LockedRecord] = locked_records(out, LockFigures())  # it is locked
            else:
                before, _ = opened.enter_context(self._open(one, None))
            if table is None and out is not None:
                written = f"{other.rstrip('/')}/{DIFF}"
                found: list[DiffFigures] = []
                out.write(DIFF, lambda file: found.append(write_diff(before, after, file)))
                figures = found[0]
            else:
                path = table or Path(other).parent / DIFF
                written = str(path)
                temporary = path.with_name(f".{path.name}.partial")
                try:
                    with temporary.open("w", encoding="utf-8", newline="") as file:
                        figures = write_diff(before, after, file)
                    temporary.replace(path)
                finally:
                    temporary.unlink(missing_ok=True)
        sys.stdout.write("\n".join([*describe(figures), written]) + "\n")

    @contextmanager
    def _open(
        self, place: str, written: OutFile | None
    ) -> Iterator[tuple[Iterable[LockedRecord], OutputDirectory | None]]:
        """Yield the records of an OUT or a lock, and the OUT."""
        assert self.settings is not None
        if Path(place).is_file():
            read_head(Path(place))
            yield read_records(Path(place)), None
            return
        with open_output(place, self.settings, written, merged=True) as (out, _):
            yield locked_records(out, LockFigures()), out


def _where(place: str) -> object:
    """Return what is the same for two ways to name a place."""
    return BucketAddress.of(place) if is_address(place) else Path(place).resolve()


def describe(found: DiffFigures) -> list[str]:
    """Return the lines that tell people what differs."""
    lines = [f"{'same':<12}{found.same:>12,}"]
    lines += [f"{change:<12}{found.records[change]:>12,}  {WORDS[change]}" for change in Difference]
    columns = found.columns.most_common(SHOWN)
    if columns:
        words = ", ".join(f"{printable(name, 60)} {n:,}" for name, n in columns)
        more = len(found.columns) - len(columns)
        lines.append(f"columns: {words}" + (f" and {more:,} more" if more > 0 else ""))
    return lines
