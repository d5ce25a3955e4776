"""Exports of a dataset: CPU time, rate and peak memory, beside what users would write themselves.

``python -m bench exports --records 100000`` makes an OUT of so many JPEGs of 42 kB. The same
pictures, from the same folder, to the same disk: by `scrapy export`, by webdataset's own
ShardWriter (which img2dataset writes with), and by datasets' `load_dataset("imagefolder")` and
`to_parquet`. Ours also hashes every file, reads the table twice, and can be killed.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from contextlib import closing
from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image

from bench.contenders import ROOT
from bench.measure import run
from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.tables import write_all
from imgcrawl.records.items import ImageItem, Stored
from imgcrawl.storage.directory import LEDGER, OutputDirectory

SIDE = (412, 310)  # pixels: about 42 kB
NOW = "2026-01-01T00:00:00Z"
FORMATS = ("webdataset", "parquet", "imagefolder", "coco", "tfrecord", "lance")
_TARS = """
import csv, json, sys
from pathlib import Path
from webdataset import ShardWriter
out, dest = map(Path, sys.argv[1:])
dest.mkdir()
with ShardWriter(f"{dest}/%06d.tar", maxcount=10_000, maxsize=1e9, verbose=0) as writer:
    for row in csv.DictReader(open(out / "metadata.csv", newline="")):
        body = (out / row["file_name"]).read_bytes()
        writer.write({"__key__": row["record_id"].replace(".", "_"), "jpg": body, "json": row})
"""
_DATASETS = """
import sys, tempfile
from datasets import Image, load_dataset
with tempfile.TemporaryDirectory() as room:
    data = load_dataset("imagefolder", data_dir=sys.argv[1], cache_dir=room, split="train")
    data.cast_column("image", Image(decode=False)).to_parquet(sys.argv[2])
"""


def main(records: int) -> None:
    """Make an OUT, export it in each way, and print the figures of each."""
    with tempfile.TemporaryDirectory() as room:
        out, dest = Path(room, "out"), Path(room, "dest")
        make(out, records)
        size = sum(path.stat().st_size for path in out.rglob("*.jpg")) / 1e6  # MB
        print(f"{records:,} pictures, {size:,.0f} MB{'CPU s':>24}{'MB/CPU s':>10}{'seconds':>9}")
        scrapy = [sys.executable, "-m", "scrapy", "export", str(out)]
        ways = {
            **{f"scrapy export --to {to}": [*scrapy, "--to", to, "--dest"] for to in FORMATS},
            "webdataset.ShardWriter": [sys.executable, "-c", _TARS, str(out)],
            "datasets.to_parquet": [sys.executable, "-c", _DATASETS, str(out)],
        }
        for name, command in ways.items():
            found = run([*command, str(dest)], cwd=ROOT)
            print(
                f"{name:<40}{found.cpu:9.1f}{size / found.cpu:10.0f}{found.wall:9.1f}"
                f"{found.rss:6.0f} MB, exit {found.status}",
                flush=True,
            )
            shutil.rmtree(dest, ignore_errors=True)
            dest.unlink(missing_ok=True)


def make(root: Path, records: int) -> None:
    """Fill an OUT as a crawl of isic would: each picture is a file of its own."""
    bodies = [_picture(number) for number in range(200)]
    with closing(OutputDirectory(root)) as out, closing(Ledger(root / LEDGER)) as ledger:
        (root / "images").mkdir()
        ledger.add_columns(["age", "sex", "diagnosis_1", "frames", "orientation", "suspect"])
        for begin in range(0, records, 5000):
            numbers = range(begin, min(begin + 5000, records))
            ledger.write(_entry(root, number, bodies[number % 200]) for number in numbers)
        write_all(out, ledger)


def _entry(root: Path, number: int, picture: bytes) -> LedgerEntry:
    body = picture[:2] + b"\xff\xfe\x00\x0a%08d" % number + picture[2:]  # a comment
    name, url = f"images/R_{number:07}.jpg", f"https://example.org/{number:07}.jpg"
    (root / name).write_bytes(body)
    columns = {"age": number % 90, "sex": "female", "diagnosis_1": ("nevus", "bcc")[number % 2]}
    item = ImageItem(f"R_{number:07}", [url], name.removesuffix(".jpg"), columns)
    sha256 = hashlib.sha256(body).hexdigest()
    facts = (name, url, url, sha256, len(body), "JPEG", *SIDE, "RGB", NOW, "original")
    return LedgerEntry.from_item(item, Stored(*facts), NOW)


def _picture(number: int) -> bytes:
    noise = Image.frombytes("RGB", (103, 78), Random(number).randbytes(103 * 78 * 3))
    made = BytesIO()
    noise.resize(SIDE, Image.Resampling.BICUBIC).save(made, "JPEG", quality=75)
    return made.getvalue()
