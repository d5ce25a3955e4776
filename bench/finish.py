"""The end of a run into a very large OUT: what it takes to put its tables in order.

``python -m bench finish --records 3000000`` makes a ledger of so many records as a crawl would, and
then, each in a process of its own: writes all tables anew, ends a run in which nothing was new, and
one with a thousand new and a thousand changed records, spread over the whole.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from random import Random

from bench.measure import run
from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.tables import write_all
from imgcrawl.dataset.writer import LedgerWriter
from imgcrawl.records.items import ImageItem, Stored
from imgcrawl.storage.directory import LEDGER, OutputDirectory

NOW = "2026-01-01T00:00:00Z"
BATCH = 5000
STEPS = ("make", "all anew", "nothing new", "2,000 of them")


def main(records: int) -> None:
    """Print the seconds and the peak memory of each step."""
    with tempfile.TemporaryDirectory() as room:
        print(f"{records:,} records{'seconds':>20}{'CPU s':>8}{'peak MB':>9}")
        for step in STEPS:
            command = [sys.executable, "-m", "bench.finish", step, room, str(records)]
            found = run(command)
            print(f"{step:30}{found.wall:9.1f}{found.cpu:8.1f}{found.rss:9.0f}", flush=True)
        sizes = {path.name: path.stat().st_size >> 20 for path in sorted(Path(room).iterdir())}
        print(", ".join(f"{name}: {size:,} MB" for name, size in sizes.items() if size))


def entry(number: int, age: int) -> LedgerEntry:
    """Return a stored record with metadata of a common size."""
    name = f"images/{number // 10_000:05}/{number:09}.jpg"
    url = f"https://images{number % 97}.example.org/photos/{number:09}.jpg"
    metadata = {"age": age, "sex": "female", "diagnosis": "nevus", "site": f"site {number % 30}"}
    item = ImageItem(f"{number:09}", [url], name.removesuffix(".jpg"), metadata)
    stored = Stored(
        name, url, url, f"{number:064x}", 80_000, "JPEG", 600, 450, "RGB", NOW, "original"
    )
    return LedgerEntry.from_item(item, stored, NOW)


def _make(records: int, out: OutputDirectory, ledger: Ledger) -> None:
    """Fill a ledger; odd numbers come later."""
    ledger.add_columns(["age", "sex", "diagnosis", "site", "frames", "orientation", "suspect"])
    for begin in range(0, records, BATCH):
        numbers = range(begin, min(begin + BATCH, records))
        ledger.write(entry(2 * number, number % 90) for number in numbers)
    out.sweep()


def _end_a_run(changed: int, out: OutputDirectory, ledger: Ledger) -> None:
    """End a run in which so many records were new, and as many another one by now."""
    n = sum(ledger.counts().values())

    async def crawl() -> None:
        writer = LedgerWriter(out, ledger, _failed)
        for number in Random(1).sample(range(n), changed):
            writer.record(entry(2 * number + 1, 5), was=None)
            writer.record(entry(2 * number, 91), was=Stored)
        writer.close()

    asyncio.run(crawl())


def _failed(error: Exception) -> None:
    raise error


def _step(step: str, records: int, out: OutputDirectory, ledger: Ledger) -> None:
    match step:
        case "make":
            _make(records, out, ledger)
        case "all anew":
            write_all(out, ledger)
        case "nothing new":
            _end_a_run(0, out, ledger)
        case _:
            _end_a_run(1000, out, ledger)


if __name__ == "__main__":
    with (
        closing(OutputDirectory(Path(sys.argv[2]))) as directory,
        closing(Ledger(directory.root / LEDGER)) as opened,
    ):
        _step(sys.argv[1], int(sys.argv[3]), directory, opened)
