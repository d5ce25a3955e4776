"""Records that are alike in one thing, beside as many that are not: CPU a record, peak memory."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Measured, picture_server, run

SETTINGS = {
    "IMAGE_CHECK": "header",
    "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
    "CONCURRENT_REQUESTS_PER_DOMAIN": "64",
    "AUTOTHROTTLE_ENABLED": "0",
    "LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class _Case:
    """What the records share. url: of the record with a number, below the server."""

    name: str
    url: str
    arguments: tuple[str, ...] = ()


PLAIN = (
    _Case("nothing", "/{}.jpg"),
    _Case("one picture, as placeholder", "/same/{}.jpg"),
    _Case("one picture, stored", "/same/{}.jpg", ("-s", "PLACEHOLDER_REPEATS=0")),
    _Case("one URL", "/1.jpg"),
    _Case("one URL, fragments", "/1.jpg#{}"),
    _Case("one URL that is gone", "/gone"),
)
HASHED = tuple(
    _Case(f"{case.name}, phash", case.url, (*case.arguments, "-a", "phash=1"))
    for case in (PLAIN[0], PLAIN[2])
)


def main(records: int) -> None:
    """Crawl each kind with a quarter of the records and with all; print the costs and ratios."""
    print(f"{'in common':28}{f'CPU ms, {records // 4:,}':>16}{f'CPU ms, {records:,}':>16}")
    with picture_server(tiny=True) as base, tempfile.TemporaryDirectory() as room:
        for cases in (PLAIN, HASHED):
            distinct = None
            for case in cases:
                few, many = (_crawl(case, base, n, Path(room)) for n in (records // 4, records))
                costs = few.cpu / (records // 4) * 1e3, many.cpu / records * 1e3
                distinct = distinct or many.cpu
                print(
                    f"{case.name:28}{costs[0]:16.2f}{costs[1]:16.2f}"
                    f"  peak {few.rss:.0f}, {many.rss:.0f} MB"
                    f"  {many.cpu / distinct:.2f} times that of distinct ones",
                    flush=True,
                )


def _crawl(case: _Case, base: str, records: int, room: Path) -> Measured:
    urls, out = room / "urls.txt", room / "out"
    shutil.rmtree(out, ignore_errors=True)
    urls.write_text("".join(f"{base}{case.url.format(n)}\n" for n in range(records)))
    command = [sys.executable, "-m", "scrapy", "crawl", "urls", "-a", f"list={urls}"]
    for name, value in SETTINGS.items():
        command += ["-s", f"{name}={value}"]
    return run([*command, *case.arguments, "-a", f"out={out}"])
