"""Scrapy's feeds and stats of a crawl: the rows of the tables, and the outcomes."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

SECRET = "c29tZSBzZWNyZXQga2V5"


def test_feeds_hold_the_rows_of_the_tables(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    with (tmp_path / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["url", "id", "label", "<age> (years)"])
        for n in range(12):
            url = f"http://u{n}.example/{n}.jpg?api_key={SECRET}"
            writer.writerow([url, f"r{n:02}", "=cat" if n % 2 else "dog\x01", n if n > 5 else ""])
        writer.writerow(["no address", "r99", "cat", ""])
    replica.web(dead=0.4)
    feeds = {f"items.{kind}": {"format": kind} for kind in ("jsonl", "csv", "xml")}
    paths = {f"{tmp_path}/{name}": options for name, options in feeds.items()}
    ended = crawl(
        "urls",
        list=tmp_path / "list.csv",
        settings={"FEEDS": json.dumps(paths), "STATS_DUMP": 1},
    )
    assert ended.status == 3, ended.log
    assert "Traceback" not in ended.log
    stored, missing = ended.out.rows(), ended.out.rows("failures.csv")
    assert stored
    assert missing
    for row in missing:
        assert f"'imgcrawl/missing/{row['reason']}'" in ended.log
    assert f"'imgcrawl/stored': {len(stored)}," in ended.log
    assert f"'imgcrawl/missing': {len(missing)}," in ended.log

    lines = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert [line["record_id"] for line in lines] == [r["record_id"] for r in stored + missing]
    for line, row in zip(lines, stored + missing, strict=True):
        assert {name: "" if v is None else str(v) for name, v in line.items()}.items() >= {
            name: cell for name, cell in row.items() if name != "label" and cell
        }.items()
    with (tmp_path / "items.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [{k: v for k, v in row.items() if v} for row in table] == [
        {k: v for k, v in row.items() if v} for row in stored + missing
    ]
    items = ET.parse(tmp_path / "items.xml").getroot().findall("item")
    assert [item.findtext("record_id") for item in items] == [line["record_id"] for line in lines]
    for name in feeds:
        assert SECRET not in (tmp_path / name).read_text()


def test_a_feed_of_isic_is_its_dataset(crawl: Crawler, tmp_path: Path) -> None:
    feed = tmp_path / "items.json"
    feeds = json.dumps({str(feed): {"format": "json"}})
    ended = crawl("isic", num_images=10, settings={"FEEDS": feeds})
    assert ended.status == 0, ended.log
    items = json.loads(feed.read_text())
    assert [(i["record_id"], i["sha256"]) for i in items] == [
        (row["record_id"], row["sha256"]) for row in ended.out.rows()
    ]
    assert not {"renew", "result", "held", "urls"} & items[0].keys()
