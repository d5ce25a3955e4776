"""Exports of a dataset: time, rate and peak memory, beside what users would write themselves.

The same pictures, from the same folder, to the same disk: by `scrapy export`, by webdataset's own
TarWriter (which img2dataset writes with), and by datasets' `load_dataset("imagefolder")` and
`to_parquet`. Ours also hashes every file, reads the table twice, and can be killed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from bench.contenders import ROOT
from bench.measure import run

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


def main(out: Path) -> None:
    """Export an OUT in each way, and print the figures of each."""
    size = sum(path.stat().st_size for path in out.rglob("*.jpg")) / 1e6  # MB
    scrapy = [sys.executable, "-m", "scrapy", "export", str(out)]
    ways = {
        **{
            f"scrapy export --to {to}": [*scrapy, "--to", to, "--dest"]
            for to in ("webdataset", "parquet", "imagefolder", "tfrecord")
        },
        "webdataset.ShardWriter": [sys.executable, "-c", _TARS, str(out)],
        "datasets.to_parquet": [sys.executable, "-c", _DATASETS, str(out)],
    }
    with tempfile.TemporaryDirectory(dir=out.parent) as room:
        for name, command in ways.items():
            dest = Path(room, "dest")
            measured = run([*command, str(dest)], cwd=ROOT)
            print(
                f"{name:<30} {measured.wall:7.1f} s {size / measured.wall:8.1f} MB/s "
                f"{measured.rss:6.0f} MB, exit {measured.status}"
            )
            shutil.rmtree(dest, ignore_errors=True)
            dest.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
