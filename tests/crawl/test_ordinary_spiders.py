"""Spiders as Scrapy's documentation writes them run here, and their pictures are a dataset."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from itemadapter import ItemAdapter
from PIL import Image

from imgcrawl.arguments import parse_arguments
from imgcrawl.records.items import FileItem, ImageItem, Missing, Stored
from imgcrawl.records.ordinary import OrdinaryItem, records_of
from imgcrawl.records.outcomes import Outcome
from tests.conftest import ROOT, Crawler, Out, refusal
from tests.crawl.ordinary.museum import Museum, Painting
from tests.warm_start import WARM, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOMS = 12
ONE_NAME = {
    "pipelines.images.ImagesPipeline": None,
    "tests.crawl.ordinary.catalogue.OneName": 300,
}
NO_FIELDS: dict[str, Any] = dict.fromkeys(
    f"{kind}_{which}_FIELD" for kind in ("IMAGES", "FILES") for which in ("URLS", "RESULT")
)


class Site(BaseHTTPRequestHandler):
    """Rooms with two pictures each, one of them also in the next room; picture 7 is gone."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status, kind, body = self._answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        rooms = [f"/room{n}.html" for n in range(ROOMS)]
        if path == "/index.html":
            away = '<a href="/room-that-is-closed.html">closed</a>'
            html = "".join(f'<a href="{room}">room</a>' for room in rooms) + away
            return 200, "text/html", html.encode()
        if path == "/sitemap.xml":
            base = f"http://{self.headers['Host']}"
            urls = "".join(f"<url><loc>{base}{room}</loc></url>" for room in rooms)
            xml = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
            return 200, "application/xml", xml.encode()
        if path in rooms:
            n = rooms.index(path)
            html = f"<title>Room {n}</title><img src=i/{n}.png><img src=i/{n + 1}.png>"
            html += "<object data=plan.txt></object>" if n == 0 else ""
            return 200, "text/html", html.encode()
        if path == "/plan.txt":
            return 200, "text/plain", b"a plan of the rooms\n"
        if path.startswith("/i/") and path != "/i/7.png":
            n = int(path[3:-4])
            file = io.BytesIO()
            Image.new("RGB", (8, 8), (n, 2 * n, 3 * n)).save(file, "PNG")
            return 200, "image/png", file.getvalue()
        return 404, "text/plain", b"not here"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def ordinary(tmp_path: Path, site: str) -> Any:
    crawler = Crawler(tmp_path, None)

    def crawl(spider: str, *options: str, **args: Any) -> Any:
        settings = {
            "SPIDER_MODULES": "tests.crawl.ordinary",
            "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
            **args.pop("settings", {}),
        }
        command = crawler.command(spider, base=site, settings=settings, **args)
        ended = run([*command, *options], timeout=120, capture_output=True)
        return ended.returncode, ended.stdout + ended.stderr, crawler.out()

    return crawl


def names(rows: list[dict[str, str]]) -> list[str]:
    return sorted(row["record_id"].rpartition("/")[2] for row in rows)


def test_callbacks_that_yield_dicts_make_a_dataset(ordinary: Any, tmp_path: Path) -> None:
    feed = tmp_path / "items.jsonl"
    status, log, out = ordinary("museum", "-O", str(feed))
    assert status == 3, log
    out.verify()
    pictures = [f"{n}.png" for n in range(ROOMS + 1) if n != 7]
    assert names(out.rows()) == sorted([*pictures, "plan.txt"])
    assert {row["title"] for row in out.rows()} >= {"Room 0", "Room 11"}
    failures = {row["record_id"].rpartition("/")[2]: row for row in out.rows("failures.csv")}
    assert failures["7.png"]["reason"] == "not_found"
    assert "HTTP 404" in failures["room-that-is-closed.html"]["message"]
    items = [json.loads(line) for line in feed.read_text().splitlines()]
    assert len(items) == ROOMS  # the spider's own, each once, with what came of its addresses
    for item in items:
        n = int(item["title"].split()[1])
        assert item["seen"] == {"depth": 1}
        kept = [url for url in item["image_urls"] if not url.endswith("/7.png")]
        assert [image["url"] for image in item["images"]] == kept, n
        assert len(item["files"]) == (n == 0)
        for image in item["images"]:
            assert (out.root / image["path"]).is_file()
    again, log, out = ordinary("museum")
    assert again == 3, log
    assert len(out.rows()) == ROOMS + 1
    assert out.summary()["this_run"]["outcomes"] == {"bad_url": 1}


@pytest.mark.parametrize("spider", ["rules", "mapped"])
def test_scrapys_own_spiders_run(spider: str, ordinary: Any) -> None:
    status, log, out = ordinary(spider)
    assert status == 3, log
    assert "Traceback" not in log
    assert names(out.rows()) == sorted(f"{n}.png" for n in range(ROOMS + 1) if n != 7)


def test_a_fault_of_a_spider_is_called_by_name_and_costs_nothing_else(ordinary: Any) -> None:
    status, log, out = ordinary("faulty")
    assert status == 1, log
    assert "Stopped: The spider faulty failed: KeyError: 'frame' (museum.py, line " in log
    assert len(out.rows()) == ROOMS + 1
    assert out.summary()["error"].startswith("The spider faulty failed")
    (row,) = out.rows("runs.csv")
    assert (row["exit_status"], row["error"]) == ("1", out.summary()["error"])


def test_items_of_start_arguments_of_every_spider_and_one_without_address(
    ordinary: Any, tmp_path: Path
) -> None:
    feed = tmp_path / "items.jsonl"
    assert ordinary("started", dry_run=1)[0] == 0
    assert not (tmp_path / "out").exists()
    status, log, out = ordinary("started", "-O", str(feed), sizes="4")
    assert status == 0, log
    assert "is no record" in log
    assert [row["n"] for row in out.rows()] == ["0", "1", "2"]
    assert len(list((out.root / "sizes/4").rglob("*.*"))) == 3
    assert sorted(json.loads(line)["n"] for line in feed.read_text().splitlines()) == [0, 1, 2, 3]


def test_without_out_a_spider_has_a_folder_of_its_name(site: str, tmp_path: Path) -> None:
    settings = {"SPIDER_MODULES": "tests.crawl.ordinary", "HTTPCACHE_ENABLED": "0"}
    settings |= {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32"}
    command = [*WARM, "crawl", "started", "-a", f"base={site}"]
    for name, value in settings.items():
        command += ["-s", f"{name}={value}"]
    environment = {"IMGCRAWL_DIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": ""}
    assert run(command, timeout=60, env=environment, capture_output=True).returncode == 0
    assert (tmp_path / "data/started/metadata.csv").is_file()


def test_hooks_of_scrapys_media_pipelines_are_called(ordinary: Any) -> None:
    mine = {
        "pipelines.images.ImagesPipeline": None,
        "pipelines.files.FilesPipeline": None,
        "tests.crawl.ordinary.hooks.Named": 300,
        "tests.crawl.ordinary.hooks.Plans": 350,
    }
    settings = {"ITEM_PIPELINES": json.dumps(mine)}
    status, log, out = ordinary("hooked", settings=settings)
    assert status == 3, log
    ids = {row["file_name"]: row["record_id"] for row in out.rows()}
    assert {name for name in ids if name.startswith("wing")} == {
        "wing 0/0.png", "wing 0/2.png", "wing 0/4.png", "wing 1/1.png", "wing 1/5.png"
    }  # fmt: skip
    assert ids["wing 0/0.png"].endswith("/i/0.png")  # an id is never empty
    plans = [name for name in ids if name.startswith("plans/")]
    assert len(plans) == 2  # no record takes the name of another
    assert "plans/the plan.txt" in plans
    for row in out.rows():
        body = (out.root / row["file_name"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == row["sha256"]
    failure = out.rows("failures.csv")[0]
    assert (failure["record_id"], failure["reason"]) == ("3", "dropped")
    assert "on loan" in failure["message"]
    assert not (out.root / "wing 1/3.png").exists()
    again, log, out = ordinary("hooked", settings=settings)
    assert again == 3, log
    assert out.summary()["this_run"]["outcomes"] == {}


def test_a_spiders_own_pipelines_are_beside_the_projects(ordinary: Any) -> None:
    """As Scrapy's tutorial has them, in custom_settings: nothing came of any record."""
    status, log, out = ordinary("catalogue")
    assert status == 0, log
    out.verify()
    assert len(out.rows()) == 40
    assert "40 seen by a pipeline of its own" in log


def test_records_of_one_name_each_keep_their_file_although_the_first_has_ended(
    ordinary: Any,
) -> None:
    settings = {"ITEM_PIPELINES": json.dumps(ONE_NAME), "CONCURRENT_REQUESTS_PER_DOMAIN": 2}
    status, log, out = ordinary("catalogue", settings=settings)
    assert status == 0, log
    out.verify()
    assert len({row["file_name"] for row in out.rows()}) == len(out.rows()) == 40


def test_the_stock_pipeline_of_tutorials_makes_way(ordinary: Any, tmp_path: Path) -> None:
    stock = json.dumps({"scrapy.pipelines.images.ImagesPipeline": 1})
    elsewhere = tmp_path / "pictures"
    settings = {"ITEM_PIPELINES": stock, "IMAGES_STORE": str(elsewhere)}
    status, log, out = ordinary("catalogue", settings=settings)
    assert status == 0, log
    assert "imgcrawl's own pipeline takes its place" in log
    assert sorted(str(f.relative_to(elsewhere)) for f in elsewhere.rglob("*.png")) == sorted(
        row["file_name"] for row in out.rows()
    )


def test_a_spider_of_old_is_told_what_to_write(ordinary: Any) -> None:
    status, log, out = ordinary("of-old")
    assert status == 2
    assert "write `async def start(self):`" in log
    assert not out.root.exists()


def test_a_source_without_a_record_is_said_to_be_one(ordinary: Any) -> None:
    status, log, _ = ordinary("empty-handed")
    assert status == 0
    assert "No record came of the source" in log
    assert "all stored" not in log


def test_a_crawl_that_is_closed_early_ends_what_has_begun(ordinary: Any) -> None:
    settings = {"CLOSESPIDER_TIMEOUT": 1, "DOWNLOAD_DELAY": 0.1, "ITEMS_AHEAD": 100}
    status, log, out = ordinary("catalogue", settings=settings)
    assert status == 1, log
    out.verify()
    assert len(out.rows()) == 40  # what had begun
    assert "Stopped: CLOSESPIDER_TIMEOUT was reached" in log


def test_without_a_pipeline_that_writes_records_down_a_crawl_fails(ordinary: Any) -> None:
    nothing = json.dumps({"pipelines.metadata.MetadataPipeline": None})
    for spider in ("catalogue", "museum"):
        status, log, _ = ordinary(spider, settings={"ITEM_PIPELINES": nothing})
        assert status == 1
        assert "no row says what became of it" in log


@pytest.mark.slow
def test_the_addon_gives_another_project_all_of_it_in_one_line(site: str, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        'BOT_NAME = "other"\n'
        'SPIDER_MODULES = ["tests.crawl.ordinary"]\n'
        'ADDONS = {"imgcrawl.addon.Addon": 500}\n'
        'ALLOWED_PRIVATE_NETWORKS = ["127.0.0.1/32"]\n'
        'ITEM_PIPELINES = {"scrapy.pipelines.images.ImagesPipeline": 1, "other.Titles": 900}\n'
        "class Titles:\n"
        "    def process_item(self, item):\n"
        "        print(item['title'], [image['path'] for image in item['images']])\n"
        "        return item\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "SCRAPY_SETTINGS_MODULE": "other"}
    command = [*WARM, "crawl", "museum", "-a", f"base={site}"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr  # Scrapy's own command knows no other
    out = Out(tmp_path / "data/museum")
    out.verify()
    assert names(out.rows()) == sorted(
        [*(f"{n}.png" for n in range(ROOMS + 1) if n != 7), "plan.txt"]
    )
    assert out.summary()["exit_status"] == 3
    assert len(ended.stdout.splitlines()) == ROOMS  # the project's own pipeline has its items
    assert "Room 4 ['images/" in ended.stdout


def test_an_argument_of_every_spider_is_checked_and_any_other_is_the_spiders() -> None:
    assert parse_arguments(Museum, {"base": "x", "colour": "red", "dry_run": "1"}).dry_run
    assert "shard=5" in refusal(Museum, shard="5", base="x")


def test_records_are_the_addresses_of_an_item() -> None:
    item = {
        "image_urls": ["http://a/1", "http://a/1", None, " http://a/2 "],
        "file_urls": "http://a/f.pdf",
    }
    records = records_of({**item, "day": object, "n": 1}, NO_FIELDS)
    assert [type(record) for record in records] == [ImageItem, ImageItem, FileItem]
    assert [record.urls for record in records] == [
        ["http://a/1"],
        ["http://a/2"],
        ["http://a/f.pdf"],
    ]
    assert [record.record_id for record in records] == [
        "http://a/1",
        "http://a/2",
        "http://a/f.pdf",
    ]
    assert records[2].path.endswith("/f.pdf")
    assert records[0].metadata["n"] == 1
    assert isinstance(records[0].metadata["day"], str)
    other = records_of({"pictures": "http://a/1"}, {**NO_FIELDS, "IMAGES_URLS_FIELD": "pictures"})
    assert [record.urls for record in other] == [["http://a/1"]]
    with pytest.raises(TypeError, match="not int"):
        records_of(5, NO_FIELDS)


def test_what_came_of_an_item_is_written_where_it_has_a_field() -> None:
    item = Painting("one", ["http://a/1", "http://a/2"])
    whole = OrdinaryItem(item, None, records_of(item, NO_FIELDS))
    stored, missing = Stored("images/1.png", sha256="ab"), Missing(Outcome.DNS)
    results: dict[str, Stored | Missing] = {"http://a/1": stored, "http://a/2": missing}
    whole.fill_in(NO_FIELDS, lambda record: results[record.record_id])
    image = {"url": "http://a/1", "path": "images/1.png", "checksum": "ab", "status": "downloaded"}
    assert ItemAdapter(item)["images"] == [image]
