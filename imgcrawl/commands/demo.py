"""``scrapy demo``: a first crawl, or five at once, against the replicas of the sources."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.extras import require_extra
from imgcrawl.storage.directory import FAILURES, LEDGER, METADATA, SUMMARY

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from rich.console import Console

# What the web does to a dataset, in small: images gone, cut, and an error page in their place.
FAULTS = [
    {"match": r"/isic-s3/images/", "share": 0.05, "kind": "status", "status": 404},
    {"match": r"/isic-s3/images/", "share": 0.10, "kind": "cut", "times": 1},
    {"match": r"/isic-s3/images/.*7\.jpg", "share": 0.5, "kind": "html"},
]


class Command(ScrapyCommand):
    """Starts the replica, runs a real crawl against it, and shows what came out."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[microscopy]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "A first crawl against a local replica; `demo microscopy`: five datasets at once"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Crawl into data/demo; exit status 1 where the demo itself fails."""
        if args not in ([], ["microscopy"]):
            raise UsageError(f"there is no demo {' '.join(args)!r}; there is microscopy")
        if args:
            try:
                require_extra("volumes")
            except ArgumentError as error:
                raise UsageError(str(error)) from error
        self.exitcode = (MICROSCOPY if args else ISIC).run()


@dataclass(frozen=True, slots=True)
class Demo:
    """A command against the replicas; the same without ``-replica`` asks the real sources."""

    command: str
    out: Path
    replica: dict[str, Any]  # arguments of `ReplicaProcess`
    show: Callable[[Console, Path], None]
    real_source: str
    options: tuple[str, ...] = ()  # of the command, left out of its title

    def run(self) -> int:
        """Run the command, show what came out, and return the exit status."""
        # Every command is imported to list them: what only this one needs comes late.
        from rich.console import Console  # noqa: PLC0415

        from replicas.process import ReplicaProcess  # noqa: PLC0415

        console = Console(highlight=False)
        if any((self.out / name).exists() for name in (LEDGER, SUMMARY)):
            shutil.rmtree(self.out)  # the last demo's: its replica is gone
        with ReplicaProcess(latency_ms=20, **self.replica) as replica:
            console.rule(f"[bold]scrapy {self.command}")
            command = [sys.executable, "-m", "scrapy", *self.command.split(), *self.options]
            done = subprocess.run([*command, *replica.settings()], check=False)  # noqa: S603 - our own
        if done.returncode not in {0, 3}:
            return 1
        self.show(console, self.out)
        console.print(f"\nThe same from the real {self.real_source}:")
        console.print(f"  [bold].venv/bin/scrapy {self.command.replace('-replica', '')}")
        return 0


def show_datasets(console: Console, out: Path) -> None:
    """Print the files of each dataset in a plan's metadata.csv, and the first one's facts."""
    from rich.table import Table  # noqa: PLC0415

    rows: dict[str, list[dict[str, str]]] = {}
    with (out / METADATA).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["dataset"], []).append(row)
    table = Table(
        *("dataset", "files", "MB", "format", "voxels (z)yx", "dtype", "nm (z)yx", "which says"),
        title=f"{out / METADATA}: {sum(map(len, rows.values()))} rows, the first of each dataset",
    )
    for dataset, found in rows.items():
        size = sum(int(row["bytes"] or 0) for row in found) / 1e6
        first = found[0]
        voxels = " x ".join(n for axis in "zyx" if (n := first.get(f"size_{axis}")))
        nm = " x ".join(n[:5] for axis in "zyx" if (n := first.get(f"voxel_{axis}_nm")))
        table.add_row(
            *(dataset, str(len(found)), f"{size:,.2f}", first["format"]),
            *(voxels, first.get("dtype", ""), nm, first.get("voxel_x_from", "")),
        )
    console.print(table)


def show_images(console: Console, out: Path) -> None:
    """Print what a dataset holds: the files by kind, the first rows, what is missing and why."""
    from rich.table import Table  # noqa: PLC0415

    summary = json.loads((out / SUMMARY).read_text("utf-8"))
    console.rule(f"[bold]{out}")
    with (out / METADATA).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = ["file_name", "width", "height", "diagnosis_1", "copyright_license"]
        table = Table(
            *columns, title=f"{METADATA}: {summary['records']['stored']} rows, the first 5"
        )
        for row in islice(reader, 5):
            table.add_row(*(row.get(column, "") for column in columns))
    console.print(table)
    with (out / FAILURES).open(encoding="utf-8", newline="") as file:
        reasons = Table("record_id", "reason", "http_status", "tries", "message", title=FAILURES)
        for row in csv.DictReader(file):
            reasons.add_row(
                *(row[c] for c in ("record_id", "reason", "http_status", "tries")),
                row["message"][:60],
            )
    console.print(reasons)


ISIC = Demo(
    command="crawl isic -a filter=benign -a num_images=60",
    out=Path("data/demo"),
    replica={"faults": FAULTS},
    show=show_images,
    real_source="archive",
    options=("-a", "out=data/demo"),
)
MICROSCOPY = Demo(
    command="crawlall examples/hhmi-replica.toml",
    out=Path("data/demo-microscopy"),
    replica={"records": 1},
    show=show_datasets,
    real_source="sources, some gigabytes",
)
