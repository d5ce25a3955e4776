"""Pictures of every kind, hostile lists and addresses, and other people's tools."""

from __future__ import annotations

import csv
import json
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest
from PIL import Image

from tests.stores import BUCKET, running_google, running_s3

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Ended

LISTED = {"SPIDER_MODULES": "tests.spiders"}


def crawl_list(crawl: Crawler, records: list[Any], **kwargs: Any) -> Ended:
    path = crawl.tmp_path / "list.json"
    path.write_text(json.dumps(records))
    settings = LISTED | kwargs.pop("settings", {})
    return crawl("listed", list=path, settings=settings, **kwargs)


KINDS = [
    ("jpeg", ".jpg"),
    ("progressive", ".jpg"),
    ("oriented", ".jpg"),
    ("cmyk", ".jpg"),
    ("gray", ".jpg"),
    ("alpha", ".png"),
    ("png16", ".png"),
    ("tiff", ".tif"),
    ("multipage", ".tif"),
    ("gif", ".gif"),
    ("webp", ".webp"),
    ("bmp", ".bmp"),
]


@pytest.mark.parametrize("check", ["decode", "header", "off"])
def test_the_bytes_on_disk_are_those_of_the_server(
    crawl: Crawler, replica: ReplicaProcess, check: str
) -> None:
    records = []
    for kind, extension in KINDS:
        url = f"{replica.url}/files/{kind}/3{extension}"
        records.append([kind, [url], f"images/{kind}", {"label": kind}])
    ended = crawl_list(crawl, records, settings={"IMAGE_CHECK": check}, sizes="32")
    assert ended.status == 0, ended.log
    rows = {row["record_id"]: row for row in ended.out.rows()}
    for kind, extension in KINDS:
        with urllib.request.urlopen(f"{replica.url}/files/{kind}/3{extension}") as answer:
            sent = answer.read()
        assert rows[kind]["file_name"] == f"images/{kind}{extension}"
        assert (ended.out.root / rows[kind]["file_name"]).read_bytes() == sent
        assert rows[kind]["suspect"] == ""
    assert rows["png16"]["mode"] == "I;16"
    if check != "off":
        assert rows["oriented"]["orientation"] == "6"
        assert int(rows["oriented"]["width"]) > int(rows["oriented"]["height"])  # not applied
    assert rows["cmyk"]["mode"] == "CMYK"
    assert int(rows["multipage"]["frames"]) > 1
    assert int(rows["gif"]["frames"]) > 1
    for path in (ended.out.root / "sizes/32").rglob("*.*"):
        with Image.open(path) as image:
            assert max(image.size) <= 32
    ended.out.verify()


def test_the_extension_is_what_the_bytes_say(crawl: Crawler, replica: ReplicaProcess) -> None:
    url = f"{replica.url}/files/alpha/1.png"
    records = [["a", [f"{url}?name=x.jpg"], "images/photo.jpg", {}]]
    ended = crawl_list(crawl, records)
    assert ended.out.rows()[0]["file_name"] == "images/photo.jpg.png"


HOSTILE = [
    "../../../escaped",
    "/etc/escaped",
    "../..",
    "a\x00b",
    "x" * 4000,
    "CON",
    "images/nul",
    "C:\\escaped",
    "..\\escaped",
    ".hidden",
    "=cmd()",
    "\u202egnp.exe",
    "images/a b'\"$(touch escaped)`;",
    "",
    "...",
    "images/A",
    "images/a",
]


def test_hostile_names_stay_inside_out(crawl: Crawler, replica: ReplicaProcess) -> None:
    records = [
        [f"{number}{name}", [f"{replica.url}/files/jpeg/{number}.jpg"], name, {name or "=1": name}]
        for number, name in enumerate(HOSTILE)
    ]
    before = set(crawl.tmp_path.rglob("*"))
    ended = crawl_list(crawl, records)
    assert ended.status in {0, 3}, ended.log
    rows = ended.out.rows()
    failures = ended.out.failures()
    assert len(rows) + len(failures) == len(HOSTILE)
    assert set(failures.values()) <= {"bad_url"}
    assert len({row["file_name"].casefold() for row in rows}) == len(rows)
    ended.out.verify()
    outside = {
        path
        for path in set(crawl.tmp_path.rglob("*")) - before
        if ended.out.root not in [path, *path.parents]
    }
    assert {path.name for path in outside if "cache" not in str(path)} == {"list.json"} - {
        path.name for path in before
    }
    assert not list(Path("/etc").glob("escaped*"))
    again = crawl_list(crawl, records)  # no name makes what is known of its record unreadable
    assert again.status == ended.status, again.log
    assert again.out.failures() == failures
    for row in rows:
        assert not any(cell.startswith(("=", "+", "@", "\t")) for cell in row.values() if cell)
        assert not any(key.startswith(("=", "+", "@")) for key in row)
        assert not Path(row["file_name"]).is_absolute()


def test_text_that_is_no_text_loses_no_record(crawl: Crawler, replica: ReplicaProcess) -> None:
    """JSON can hold lone surrogates, which neither UTF-8 nor SQLite can."""
    good = f"{replica.url}/files/jpeg/1.jpg"
    records: list[Any] = [
        ["a", [good], "images/a", {}],
        ["b", [f"{good}?\udcff"], "images/b", {}],
        ["c\udcff", [good], "images/c\udcff", {"k\udcff": "v\udcff", "n": {"\udcff": 1}}],
        ["d", [good], "images/d", {}],
    ]
    ended = crawl_list(crawl, records)
    assert ended.status == 3, ended.log
    assert [row["record_id"] for row in ended.out.rows()] == ["a", "c\\udcff", "d"]
    assert ended.out.failures() == {"b": "bad_url"}
    again = crawl_list(crawl, records)
    assert again.out.summary()["this_run"]["already_there"] == 3
    assert again.out.summary()["this_run"]["not_tried_again"] == 1


PRIVATE = [
    "http://localhost:{port}/files/jpeg/1.jpg",
    "http://127.0.0.2:{port}/files/jpeg/1.jpg",
    "http://0177.0.0.2:{port}/files/jpeg/1.jpg",
    "http://2130706434:{port}/files/jpeg/1.jpg",
    "http://0x7f000002:{port}/files/jpeg/1.jpg",
    "http://127.2:{port}/files/jpeg/1.jpg",
    "http://[::1]:{port}/files/jpeg/1.jpg",
    "http://[::ffff:127.0.0.2]:{port}/files/jpeg/1.jpg",
    "http://[::ffff:10.0.0.1]/files/jpeg/1.jpg",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/1.jpg",
]
OF_A_BUCKET = 3
OTHER_SCHEMES = [
    "file:///etc/hostname",
    "data:image/png;base64,iVBORw0KGgo=",
    "ftp://127.0.0.1/1.jpg",
    "s3://bucket/1.jpg",
    "javascript:alert(1)",
    "http://",
    "?",
]


def test_no_private_address_is_asked(crawl: Crawler, replica: ReplicaProcess) -> None:
    port = replica.url.rsplit(":", 1)[1]
    records: list[Any] = []
    for number, form in enumerate(PRIVATE):
        url = form.format(port=port)
        records.append([f"direct {number}", [url], f"images/d{number}", {}])
        redirect = f"{replica.url}/files/redirect?to={quote(url, safe='')}"
        records.append([f"redirect {number}", [redirect], f"images/r{number}", {}])
    for number, url in enumerate(OTHER_SCHEMES):
        records.append([f"scheme {number}", [url], f"images/s{number}", {}])
        if not urlsplit(url).path:
            continue  # relative to what redirects, and so no other scheme
        redirect = f"{replica.url}/files/redirect?to={quote(url, safe='')}"
        records.append([f"to scheme {number}", [redirect], f"images/t{number}", {}])
    # 127.0.0.1 alone is allowed: localhost resolves to it, so it is the one that may answer.
    ended = crawl_list(crawl, records, settings={"RETRY_TIMES": "0"})
    assert ended.status == 3, ended.log
    failures = ended.out.failures()
    allowed = {"direct 0", "redirect 0"}
    for record_id, *_ in records:
        if record_id not in allowed:
            fit = {"bad_url"} if "scheme" in record_id else {"blocked_address", "bad_url"}
            if record_id == f"scheme {OF_A_BUCKET}":
                fit = {"not_found"}  # a list may name it, and no redirect: it was asked by https
            assert failures[record_id] in fit, (record_id, failures[record_id])
    # Some spellings are no address to begin with; the others are refused when connecting.
    assert sum(1 for why in failures.values() if why == "blocked_address") >= 12
    assert replica.log()["paths"].get("/files/jpeg/1.jpg", 0) <= 2


def test_mirrors_are_tried_in_turn(crawl: Crawler, replica: ReplicaProcess) -> None:
    gone, there = f"{replica.url}/files/none/1.jpg", f"{replica.url}/files/jpeg/1.jpg"
    ended = crawl_list(crawl, [["a", [gone, there], "images/a", {}], ["b", [gone], "images/b", {}]])
    assert ended.status == 3
    (row,) = ended.out.rows()
    assert (row["source"], row["url"], row["final_url"]) == ("mirror", there, there)
    assert ended.out.failures() == {"b": "not_found"}


def test_redirects_are_followed_and_recorded(crawl: Crawler, replica: ReplicaProcess) -> None:
    target = f"{replica.url}/files/jpeg/1.jpg"
    url = f"{replica.url}/files/redirect?to={quote(target, safe='')}"
    ended = crawl_list(crawl, [["a", [url], "images/a", {}]])
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    assert (row["url"], row["final_url"], row["source"]) == (url, target, "original")


def test_a_damaged_picture_that_can_be_read_is_kept_and_marked(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": "/files/jpeg/1.jpg", "kind": "zeroed"}])
    url = f"{replica.url}/files/jpeg/1.jpg?size=800x600"
    ended = crawl_list(crawl, [["a", [url], "images/a", {}]])
    assert ended.status == 0, ended.log
    assert ended.out.rows()[0]["suspect"] != ""


@pytest.mark.slow
def test_huggingface_loads_it_as_it_stands(crawl: Crawler, replica: ReplicaProcess) -> None:
    from datasets import load_dataset

    ended = crawl("isic", num_images=25, sizes="16", descriptions=1)
    assert ended.status == 0, ended.log
    data = load_dataset(
        "imagefolder", data_dir=str(ended.out.root), cache_dir=str(crawl.tmp_path / "hf")
    )["train"]
    assert len(data) == 25
    rows = {row["isic_id"]: row for row in ended.out.rows()}
    for record in data:
        row = rows[record["isic_id"]]
        assert record["image"].size == (int(row["width"]), int(row["height"]))


@pytest.mark.slow
def test_an_object_store_takes_the_pictures(
    crawl: Crawler, replica: ReplicaProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_s3() as store:
        settings = {
            "IMAGES_STORE": f"s3://{BUCKET}/isic/",
            "AWS_ENDPOINT_URL": store.url,
            "AWS_REGION_NAME": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        ended = crawl("isic", num_images=12, settings=settings)
        assert ended.status == 0, ended.log
        rows = ended.out.rows()
        assert len(rows) == 12
        objects = store.objects("isic/")
        for row in rows:
            stored = objects[row["file_name"]]
            assert len(stored.data) == int(row["bytes"])
            assert stored.content_type == f"image/{row['format'].lower()}"
        replica.reset()
        assert crawl("isic", num_images=12, settings=settings).status == 0
        assert not [p for p in replica.log()["paths"] if p.startswith("/isic-s3/images/")]


def test_the_other_object_store_takes_them_too(
    crawl: Crawler, replica: ReplicaProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_google() as store:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", store.url)
        settings = {"IMAGES_STORE": f"gs://{BUCKET}/isic/", **store.settings}
        ended = crawl("isic", num_images=8, settings=settings)
        assert ended.status == 0, ended.log
        digests = {name: found.sha256 for name, found in store.objects("isic/").items()}
        assert digests == {row["file_name"]: row["sha256"] for row in ended.out.rows()}


def test_formulas_are_never_in_a_cell(crawl: Crawler, replica: ReplicaProcess) -> None:
    url = f"{replica.url}/files/jpeg/1.jpg"
    metadata = {"a": "=1+1", "b": "+cmd", "c": -5, "d": "-5", "e": "@x", "f": "\t=1"}
    ended = crawl_list(crawl, [["=id", [url], "images/a", metadata]])
    with (ended.out.root / "metadata.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["a"], row["b"], row["c"], row["d"]) == ("'=1+1", "'+cmd", "-5", "-5")
    assert row["record_id"] == "'=id"
