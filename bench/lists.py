"""Huge lists: peak memory, and the time until the first picture is stored.

A JSON of a million records in the shape of iMaterialist, and a file of 14 million URLs of 21,841
synsets in the shape of fall11_urls.txt, and a CSV of as many, each beside a small one of its kind.
The crawl is stopped after some seconds: only the reading of the list is measured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders import ROOT
from bench.measure import picture_server

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 15  # how long a crawl continues after its first picture
SYNSETS = 21_841
SETTINGS = ("-s", "ALLOWED_PRIVATE_NETWORKS=127.0.0.1/32", "-s", "PLACEHOLDER_REPEATS=0")


@dataclass(frozen=True)
class Figures:
    """One crawl."""

    first: float  # seconds from its start until the first picture is stored
    cpu: float  # seconds of a processor until then
    peak: float  # MB


def main(records: int, lines: int) -> None:
    """Run six crawls, one after the other, and print their figures."""
    with picture_server(tiny=True) as base, tempfile.TemporaryDirectory() as room:
        for number in (2000, records):
            path = Path(room, "train.json")
            _write(path, contest(base, number))
            _report(f"JSON of {number:,} records", path, ["imaterialist", "-a", f"train={path}"])
        for number in (10 * SYNSETS, lines):
            path = Path(room, "urls.txt")
            _write(path, fall11(base, number))
            wnids = "n01440764,n02084071,n04399382,n12768682"
            arguments = [f"wnids={wnids}", "n=1000000", "hosts=all", f"urls_file={path}"]
            command = ["imagenet", *(part for a in arguments for part in ("-a", a))]
            _report(f"list of {number:,} URLs", path, command)
        for number in (2000, lines):
            path = Path(room, "urls.csv")
            _write(path, table(base, number))
            _report(f"CSV of {number:,} lines", path, ["urls", "-a", f"list={path}"])


def table(base: str, lines: int) -> Iterator[str]:
    """Yield a CSV with ids, URLs, labels and captions."""
    yield "id,url,label,caption\n"
    for n in range(1, lines + 1):
        yield f'{n},{base}/public/images/fb/3d/51/{n}.jpg,{n % 128},"no. {n}, a caption"\n'


def contest(base: str, records: int) -> Iterator[str]:
    """Yield a JSON document, piece by piece."""
    yield '{"images": [\n'
    for n in range(1, records + 1):
        comma = "," if n < records else ""
        yield f'{{"url": ["{base}/public/images/fb/3d/51/{n}.jpg"], "image_id": {n}}}{comma}\n'
    yield '], "annotations": [\n'
    for n in range(1, records + 1):
        comma = "," if n < records else ""
        yield f'{{"image_id": {n}, "label_id": {n % 128 + 1}}}{comma}\n'
    yield "]}\n"


def fall11(base: str, lines: int) -> Iterator[str]:
    """Yield lines of numbered URLs, sorted by synset as the released files are."""
    from imgcrawl.sources.imagenet.synsets import Synsets  # noqa: PLC0415

    wnids = sorted(Synsets().listed() | {"n04399382"})
    each, more = divmod(lines, len(wnids))
    for number, wnid in enumerate(wnids):
        for n in range(each + (number < more)):
            yield f"{wnid}_{n}\t{base}/3175/2737866473_7958dc8760/{number * 1000 + n}.jpg\n"


def _write(path: Path, pieces: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8", buffering=1 << 20) as file:
        file.writelines(pieces)


def _report(what: str, path: Path, arguments: list[str]) -> None:
    figures = _crawl(arguments)
    size = path.stat().st_size / 1e6
    print(
        f"{what} ({size:,.0f} MB): first picture after {figures.first:.1f} s "
        f"(of a processor {figures.cpu:.1f}), "
        f"peak {figures.peak:.0f} MB",
        flush=True,
    )


def _crawl(arguments: list[str]) -> Figures:
    with tempfile.TemporaryDirectory() as room, tempfile.TemporaryFile() as log:
        out = Path(room, "out")
        command = [sys.executable, "-m", "scrapy", "crawl", *arguments, "-a", f"out={out}"]
        started = time.monotonic()
        process = subprocess.Popen([*command, *SETTINGS], cwd=ROOT, stdout=log, stderr=log)
        first, cpu = None, 0.0
        while first is None and process.poll() is None:
            time.sleep(0.02)
            if next(out.rglob("*.jpg"), None):
                first, cpu = time.monotonic() - started, _cpu(process.pid)
        peak, until = 0.0, time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < until:
            peak = _peak(process.pid) or peak
            time.sleep(0.1)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait()
        if first is None:
            log.seek(0)
            raise SystemExit(log.read().decode(errors="replace")[-4000:])
        return Figures(first, cpu, peak)


def _peak(pid: int) -> float | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return None


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
