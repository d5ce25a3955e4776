"""The base of the commands that read one OUT."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.dataset.schema import describe_error
from imgcrawl.records.errors import ArgumentError, OutputError, ReadOnlyError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.storage.directory import LEDGER
from imgcrawl.storage.open_output import OutFile, open_output

if TYPE_CHECKING:
    import argparse

    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory

T = TypeVar("T")


class OutCommand(ScrapyCommand, Generic[T]):
    """A command of one argument: a folder, or the address of an object store.

    Outside of the commands' folder: Scrapy would list it there as a command.
    """

    requires_project = True
    requires_crawler_process = False
    merged = False  # whether the tables of a plan, or of shards, will do
    failed = ExitStatus.FAILED  # the exit status for an OUT that cannot be used
    writes = ""  # the file that it makes of the dataset, which can go into another folder

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the option of what is written."""
        super().add_options(parser)
        if self.writes:
            parser.add_argument(
                "--into", type=Path, metavar="DIR", help="write there, and not into OUT"
            )

    def written(self, opts: argparse.Namespace) -> OutFile | None:
        """Return what it writes into OUT, or None."""
        if not self.writes or opts.into:
            return None
        return OutFile(self.writes, "type --into DIR, another folder for it")

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "OUT"

    def process(self, out: OutputDirectory, storage: Storage) -> T:
        """Process one OUT, whose files lie in `storage`, and return the result.

        Raises OutputError if its ledger is unreadable.
        """
        raise NotImplementedError

    def print_result(self, found: T, place: str) -> None:
        """Print the result. place: the OUT as it was typed, without a slash at its end."""
        raise NotImplementedError

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Open the OUT and process it; exit status `failed` if it cannot be used, 2 if misused."""
        name = type(self).__module__.rpartition(".")[2]
        if len(args) != 1:
            raise UsageError(f"scrapy {name} takes one OUT: the folder, or s3:// or gs:// address")
        assert self.settings is not None
        try:
            written = self.written(opts)
            with open_output(args[0], self.settings, written, merged=self.merged) as (out, storage):
                out.into = opts.into.expanduser().absolute() if self.writes and opts.into else None
                found = self.process(out, storage)
        except (ArgumentError, OutputError, OSError, sqlite3.DatabaseError) as error:
            words = str(error)
            if isinstance(error, sqlite3.DatabaseError):
                words = describe_error(Path(args[0]) / LEDGER, error)
            elif isinstance(error, OSError):
                words = f"{error.filename or args[0]}: {error.strerror or error}"
            sys.stderr.write(f"scrapy {name}: {words}\n")
            usage = isinstance(error, ArgumentError | ReadOnlyError)
            self.exitcode = ExitStatus.USAGE if usage else self.failed
            return
        place = str(opts.into) if self.writes and opts.into else args[0]
        self.print_result(found, place.rstrip("/"))
