"""``scrapy recrop FILE``: verifies that a crop is still what its volume holds."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.arguments import parse_arguments
from imgcrawl.crawl.process import CrawlProcess
from imgcrawl.crawl.spider_loader import spider_loader
from imgcrawl.records.errors import ArgumentError, ImgcrawlError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import FAILURES, METADATA, SUMMARY

if TYPE_CHECKING:
    import argparse

    from imgcrawl.volumes.crop.provenance import Provenance

SPIDER = "recrop"


class Command(ScrapyCommand):
    """Fetches the same box again by an ordinary crawl, and compares."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[--out DIR] [--local] FILE.crop.json"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Fetch a crop again by its crop.json, and tell whether it is the same"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options: where the crop goes, and if it may come from this computer."""
        super().add_options(parser)
        parser.add_argument("--out", type=Path, help="keep the new crop there")
        parser.add_argument(
            "--local", action="store_true", help="the volume may be a folder of this computer"
        )

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Crawl and compare.

        Exit status 0: the voxels are the same; 3: they are not; 2: no such description; 1: the
        crop could not be made.
        """
        from imgcrawl.volumes.crop.provenance import read_provenance  # noqa: PLC0415 - only this one needs it

        if len(args) != 1:
            raise UsageError("scrapy recrop takes one file, NAME.crop.json")
        assert self.settings is not None
        out: Path = opts.out or Path(tempfile.mkdtemp(prefix="imgcrawl-recrop-"))
        given = {"file": args[0], "out": str(out), "local": str(int(opts.local))}
        try:
            parse_arguments(spider_loader(self.settings).load(SPIDER), given)
            self.exitcode = self._compare(read_provenance(Path(args[0])), out, given)
        except (ArgumentError, ValueError) as error:
            self._print_error(str(error))
            self.exitcode = ExitStatus.USAGE
        finally:
            if opts.out is None:
                shutil.rmtree(out, ignore_errors=True)

    def _compare(self, provenance: Provenance, out: Path, given: dict[str, str]) -> int:
        """Crawl into `out`, compare, and return the exit status."""
        assert self.settings is not None
        # A crawl prints at its end where its files are; these will not stay.
        with redirect_stdout(io.StringIO()):
            status, failed = CrawlProcess(self.settings).run(SPIDER, given)
        if isinstance(failed, ImgcrawlError):
            self._print_error(str(failed))
            return status
        if failed is not None:
            raise failed
        if status not in {ExitStatus.COMPLETE, ExitStatus.SOME_MISSING}:
            self._print_error("the crawl was stopped, and nothing was compared")
            return status
        all_same = True
        for member in provenance.members():
            if (row := _row(out / FAILURES, member.record_id)) is not None:
                self._print_error(f"{row['reason']}: {row['message']}")
                changed = row["reason"] == Outcome.CORRUPT
                return ExitStatus.SOME_MISSING if changed else ExitStatus.FAILED
            row = _row(out / METADATA, member.record_id)
            if row is None or not _is_new(out):
                self._print_error(f"{out} has that crop already: give an empty folder with --out")
                return ExitStatus.FAILED
            same = row["voxels_sha256"] == member.voxels_sha256
            known = row["metadata_sha256"] == member.crop.level.sha256
            sys.stdout.write(
                f"{member.crop.level.address.shown}\n"
                f"metadata: {'equal' if known else 'changed'}\n"
                f"voxels:   {'equal' if same else 'different'}\n"
            )
            all_same = all_same and same
        return ExitStatus.COMPLETE if all_same else ExitStatus.SOME_MISSING

    @staticmethod
    def _print_error(message: str) -> None:
        sys.stderr.write(f"scrapy recrop: {message}\n")


def _is_new(out: Path) -> bool:
    """Return whether the crawl has stored something: a crop that was there already proves none."""
    summary = json.loads((out / SUMMARY).read_text("utf-8"))
    return bool(summary["this_run"]["outcomes"].get(Outcome.STORED))


def _row(table: Path, record_id: str) -> dict[str, str] | None:
    """Return the row of the crop in a table of the crawl; None if it is not there."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if "record_id" in row]
    # A cell that could be a formula has an apostrophe before it.
    return next((r for r in rows if r["record_id"].removeprefix("'") == record_id), None)
