"""``scrapy export OUT --to FORMAT``: a dataset in the form that a tool of the field reads."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.dataset.dataset_table import bring_tables, open_table
from imgcrawl.dataset.out_command import OutCommand
from imgcrawl.progress.counter import RecordCounter
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.storage.address import is_address
from imgcrawl.storage.directory import SPLITS_TABLE
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    import argparse

    from imgcrawl.exports.export import Exported
    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)

SHOWN = 5  # files on the terminal
_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3}


class Command(OutCommand["Exported"]):
    """Writes the pictures and their columns into a folder; resumable."""

    merged = True
    failed = ExitStatus.USAGE

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "OUT --to FORMAT --dest DIR"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Export a dataset: WebDataset, Parquet, folders of classes, COCO, Croissant ..."

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        from imgcrawl.exports.export import FORMATS  # noqa: PLC0415 - each crawl loads all commands

        super().add_options(parser)
        parser.add_argument("--to", metavar="FORMAT", help=", ".join(FORMATS))
        parser.add_argument("--dest", metavar="DIR", help="a new folder")
        parser.add_argument(
            "--split",
            type=Path,
            metavar="FILE",
            help=f"{SPLITS_TABLE}, as `scrapy split` writes it",
        )
        parser.add_argument("--label", metavar="COLUMN", help="the column of the classes")
        parser.add_argument(
            "--size", type=int, metavar="PIXELS", help="the longest side; else the originals' bytes"
        )
        parser.add_argument(
            "--shard-size", default="1GB", metavar="SIZE", help="of each tar or Parquet file"
        )

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Export the one OUT; exit status 2 where it cannot be."""
        self._opts = opts
        super().run(args, opts)

    def process(self, out: OutputDirectory, storage: Storage) -> Exported:
        """Export one OUT."""
        from imgcrawl.exports.export import FORMATS, export_dataset, require_format  # noqa: PLC0415
        from imgcrawl.exports.plan import ExportRequest  # noqa: PLC0415 - as above: numpy

        assert self.settings is not None
        opts = self._opts
        if opts.to is None or opts.dest is None:
            raise ArgumentError(f"type --to FORMAT ({', '.join(FORMATS)}) and --dest DIR")
        require_format(opts.to)
        if is_address(opts.dest):
            raise ArgumentError(
                f"--dest {opts.dest}: an export is written to a folder. Type one, and copy it to "
                "the bucket afterwards, for example by `aws s3 sync` or `gcloud storage rsync`"
            )
        if opts.size is not None and not 1 <= opts.size <= 100_000:
            raise ArgumentError(f"--size {opts.size}: type the longest side in pixels, such as 512")
        request = ExportRequest(opts.to, opts.label, opts.size, parse_shard_size(opts.shard_size))
        splits = opts.split
        bring_tables(out, storage, SPLITS_TABLE)
        if splits is not None and not splits.exists() and (out.root / splits.name).exists():
            splits = out.root / splits.name
        with (
            open_table(out) as table,
            closing(RecordCounter("export", self.settings, logger)) as progress,
        ):
            return export_dataset(
                out,
                storage,
                table,
                request,
                dest=Path(opts.dest),
                splits=splits,
                progress=progress.show,
            )

    def print_result(self, found: Exported, place: str) -> None:
        """Print what was written, and what was left out."""
        sys.stdout.write("\n".join(describe(found)) + "\n")


def describe(found: Exported) -> list[str]:
    """Return the lines that tell people what came of it."""
    figures, plan = found.figures, found.plan
    lines = (
        [f"{split}: {figures.splits[split]:,} records" for split in plan.shards]
        if len(plan.shards) > 1
        else []
    )
    lines += [*plan.left_out.lines(), *figures.notes]
    if figures.already:
        lines.append(f"{figures.already:,} records were there already, of a run before.")
    files = figures.files
    more = f" and {len(files) - SHOWN:,} more" if len(files) > SHOWN else ""
    total = figures.records + figures.already
    size = format_size(figures.bytes)
    return [
        *lines,
        f"{found.root}: {total:,} records ({size}) as {plan.request.format}: "
        f"{', '.join(files[:SHOWN])}{more}",
    ]


def parse_shard_size(text: str) -> int:
    """Return the bytes of ``1GB``. Raises ArgumentError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?b)?", text.strip().lower())
    size = float(match[1]) * _UNITS[match[2] or ""] if match else 0
    if size < 1:
        raise ArgumentError(f"--shard-size {text}: type a size, such as 500MB")
    return int(size)
