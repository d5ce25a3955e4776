"""``scrapy verify OUT``: every stored file held against the ledger."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

from scrapy.exceptions import UsageError

from imgcrawl.dataset.files import LocalFiles, StoreFiles
from imgcrawl.dataset.out_command import OutCommand
from imgcrawl.dataset.verify import Problem, Verification, VerifyFigures
from imgcrawl.pictures.cores import usable_cores
from imgcrawl.progress.display import open_display
from imgcrawl.progress.row import ProgressRow
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.storage.directory import LEDGER, SUMS, VERIFY
from imgcrawl.storage.open_output import OutFile
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from scrapy.settings import Settings

    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory


logger = logging.getLogger(__name__)


class Command(OutCommand[VerifyFigures]):
    """Checks every stored file against the ledger, and writes verify.csv."""

    writes = VERIFY

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Check every stored file of a dataset: is it there, and are its bytes the ledger's?"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        super().add_options(parser)
        parser.add_argument("--quick", action="store_true", help="presence and size only")
        parser.add_argument(
            "--sample", type=int, metavar="N",
            help=f"N records drawn by chance, and those that {VERIFY} has already",
        )  # fmt: skip
        parser.add_argument(
            "--repair", action="store_true", help="have the next crawl fetch the bad ones again"
        )
        parser.add_argument(
            "--sha256sums", action="store_true", help=f"write {SUMS}, for sha256sum --check"
        )

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Verify the one OUT; exit status 0 all good, 3 something is not."""
        if opts.sample is not None and (opts.sample < 1 or opts.sha256sums):
            raise UsageError("--sample takes a number of records, 1 or more, and no --sha256sums")
        self._opts = opts
        super().run(args, opts)

    def written(self, opts: argparse.Namespace) -> OutFile | None:
        """Return what it writes into OUT; a repair notes in the ledger what is to be fetched."""
        if opts.repair:
            return OutFile(LEDGER, "leave out --repair, or type a copy of the dataset")
        return super().written(opts)

    def process(self, out: OutputDirectory, storage: Storage) -> VerifyFigures:
        """Verify one OUT."""
        assert self.settings is not None
        files = LocalFiles(out.root) if storage.is_local else StoreFiles(storage, out)
        with closing(_VerifyProgress(self.settings)) as progress, closing(files):
            return Verification(
                out,
                files,
                read_manifest,
                quick=self._opts.quick,
                repair=self._opts.repair,
                sums=self._opts.sha256sums,
                sample=self._opts.sample,
                threads=usable_cores() + 2,  # some wait for the disk
                progress=progress.show,
            ).run()

    def print_result(self, found: VerifyFigures, place: str) -> None:
        """Print the figures, and where the rows are."""
        options = self._opts
        lines = [format_figures(found, place, quick=options.quick, repair=options.repair)]
        if self._opts.sha256sums:
            lines.append(f"{place}/{SUMS} is for: cd {place} && sha256sum --check {SUMS}")
        sys.stdout.write("\n".join(lines) + "\n")
        if found.problems:
            self.exitcode = ExitStatus.SOME_MISSING


def format_figures(found: VerifyFigures, place: str, *, quick: bool, repair: bool) -> str:
    """Return the figures for people."""
    checked = "presence and size" if quick else "presence, size and SHA-256"
    head = f"{found.files:,} files ({format_size(found.bytes)}) in {place}: {checked} checked"
    if found.unhashed and not quick:
        head += f", of {found.unhashed:,} without a SHA-256 in the ledger presence and size only"
    if not found.problems:
        return f"{head}. All good."
    counts = ", ".join(
        f"{found.problems[kind]:,} {kind}" for kind in Problem if found.problems[kind]
    )
    advice = ""
    if set(found.problems) != {Problem.EXTRA}:
        advice = (
            " The next crawl into it fetches these records again."
            if repair
            else " With --repair the next crawl fetches these records again."
        )
    if found.problems[Problem.EXTRA]:
        advice += " Extra files belong to no record; they are left as they are."
    return f"{head}.\nNot good: {counts}; each has its row in {place}/{VERIFY}.{advice}"


def read_manifest(path: Path) -> Iterator[tuple[str, int, str]]:
    """Yield (key, bytes, SHA-256) of the objects of a copied volume. May raise OSError."""
    from imgcrawl.volumes.copy.object_table import read_table  # noqa: PLC0415 - few ask for it

    for kept in read_table(path):
        yield kept.key, kept.bytes, kept.sha256


class _VerifyProgress:
    """The progress of a verification, in the display that crawls have."""

    def __init__(self, settings: Settings) -> None:
        self._display = open_display(settings, logger)
        self._row = ProgressRow("verify")
        self._next = time.monotonic() + self._display.interval

    def show(self, figures: VerifyFigures) -> None:
        """Show the figures, if it is time to."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._display.interval
        self._row.update(
            {
                "done": figures.files,
                "missing": figures.problems[Problem.MISSING],
                "expected": None,
                "bytes": figures.bytes,
                "activity": f"{figures.problems.total():,} not good",
            }
        )
        self._display.show([self._row])

    def close(self) -> None:
        """Give the terminal back."""
        self._display.close()
