"""A folder with the files that the commands of the documentation name, and ways to stand in."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import sys
import zipfile
from typing import TYPE_CHECKING, Any

from imgcrawl.sources.imagenet.synsets import Synsets
from replicas.imagenet import fall11, urls
from replicas.isic_records import IsicArchive
from tests.conftest import HASTE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess

TENCH, GOLDFISH = "n01440764", "n01443537"
# `scrapy` and what else a block calls; the settings by which a crawl asks the replica come last,
# where they count before those that the command gives.
_SCRAPY = '#!/bin/sh\nexec "{python}" -m scrapy "$@" {settings}\n'
_CRONTAB = '#!/bin/sh\n[ "$1" = -l ] && exec cat "$HOME/crontab"\ncat > "$HOME/crontab.new"\n'


def build(root: Path, replica: ReplicaProcess) -> dict[str, str]:
    """Make the folder; return the environment of a shell in it."""
    settings = replica.settings()
    for name, value in {**HASTE, "RETRY_BACKOFF_BASE": "0.01", "HTTPCACHE_ENABLED": "0"}.items():
        settings += ["-s", f"{name}={value}"]
    quoted = " ".join(f"'{word}'" for word in settings)
    _write_script(root / "bin/scrapy", _SCRAPY.format(python=sys.executable, settings=quoted))
    _write_script(root / "bin/crontab", _CRONTAB)
    _write_script(root / ".venv/bin/scrapy", f'#!/bin/sh\nexec "{root}/bin/scrapy" "$@"\n')
    (root / "crontab").write_text("# BEGIN imgcrawl\nold\n# END imgcrawl\n@daily mine\n")
    for name in ("scrapy.cfg", "schedules.toml", "examples"):
        (root / name).symlink_to(ROOT / name)
    _write_lists(root)
    return {
        **os.environ,
        "PATH": f"{root}/bin:{os.environ['PATH']}",
        "HOME": str(root),
        "PYTHONPATH": str(ROOT),
        "IMGCRAWL_DIR": str(root),
    }


def _write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _write_lists(root: Path) -> None:
    pictures = [f"http://host{n}.example/{n}.jpg" for n in range(6)]
    (root / "urls.txt").write_text("\n".join(pictures))
    table = [{"id": f"{n:04}", "url": url, "Subset": "train"} for n, url in enumerate(pictures)]
    for name in ("urls.csv", "train-images-boxable.csv"):
        _write_table(root / name, table)
    photos = [{"photo_id": str(n), "extension": "jpg"} for n in range(6)]
    _write_table(root / "photos.csv", photos)
    images = [{"id": n, "file_name": f"{n:012}.jpg"} for n in range(6)]
    (root / "instances.json").write_text(json.dumps({"images": images}))
    laion = "URL\tTEXT\n" + "".join(f"{url}\ta caption\n" for url in pictures)
    (root / "laion.tsv.gz").write_bytes(gzip.compress(laion.encode()))
    (root / "ids.txt").write_text("\n".join(map(IsicArchive(9, tiny=True).isic_id, range(4))))
    (root / "wnids.txt").write_text(f"{TENCH}\n{GOLDFISH}\n")
    (root / "fall11_urls.txt").write_text("".join(fall11([TENCH, GOLDFISH], 20)))
    (root / "lists").mkdir()
    for wnid in Synsets().subtree("n02084071")[:3]:
        listed = "\n".join(url for _, url in urls(wnid, 20))
        (root / f"lists/{wnid}.txt").write_text(listed)
    for split in ("train", "validation", "test"):
        (root / f"{split}.json").write_text(json.dumps(_contest(split)))
    with zipfile.ZipFile(root / "data.zip", "w") as archive:
        archive.write(root / "train.json", "train.json")
    _write_table(root / "labels.csv", [{"labelId": "1", "labelName": "chair"}])


def _contest(split: str) -> dict[str, Any]:
    ids = range(1, 5)
    return {
        "images": [{"image_id": n, "url": [f"http://{split}.example/{n}.jpg"]} for n in ids],
        "annotations": [{"image_id": n, "label_id": 1} for n in ids],
    }


def _write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def copy_crop(data: Path) -> None:
    """Let the first cube of a crawl have the name that the documentation calls it by."""
    folder = data / "neuroglancer/cubes"
    first = next(folder.glob("*.crop.json"))
    shutil.copy(first, folder / "NAME.ome.zarr.crop.json")
