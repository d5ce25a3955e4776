"""Peak memory of a short and of a long crawl: it must not grow with the number of records.

And how long a second run takes, which finds all of them there.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from bench.contenders import Contender, contenders
from bench.measure import picture_server, run


def main(records: int) -> None:
    """Crawl 2,000 and then `records` tiny pictures, and print both peaks."""
    ours = next(c for c in contenders() if c.name == "imgcrawl header")
    with picture_server(tiny=True) as base, tempfile.TemporaryDirectory() as room:
        small = _peak(ours, base, 2000, Path(room, "out"))
        large = _peak(ours, base, records, Path(room, "out"))
        again = run(ours.command(base, records, Path(room, "out")))
    print(f"peak memory: {small:.0f} MB at 2,000 records, {large:.0f} MB at {records:,}")
    print(f"growth: {large - small:+.0f} MB")
    print(
        f"a second run, which finds all there: {again.wall:.1f} s ({records / again.wall:,.0f} "
        f"records/s), {again.rss:.0f} MB, exit {again.status}"
    )


def _peak(contender: Contender, base: str, records: int, out: Path) -> float:
    shutil.rmtree(out, ignore_errors=True)
    measured = run(contender.command(base, records, out))
    print(
        f"{records:,} records: {measured.wall:.1f} s, {measured.rss:.0f} MB, exit {measured.status}"
    )
    return measured.rss
