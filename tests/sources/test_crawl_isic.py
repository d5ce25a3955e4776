"""The isic spider, as a user runs it."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.record_columns import FIXED_COLUMNS
from spiders.isic import IsicSpider
from tests.conftest import refusal, scrapy

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler


def image_requests(replica: ReplicaProcess) -> int:
    paths = replica.log()["paths"]
    return sum(n for path, n in paths.items() if path.startswith("/isic-s3/images/"))


def api_requests(replica: ReplicaProcess) -> int:
    paths = replica.log()["paths"]
    return sum(n for path, n in paths.items() if path.startswith("/isic/api/v2/images/"))


def test_the_first_crawl_and_the_second(crawl: Crawler, replica: ReplicaProcess) -> None:
    first = crawl("isic", filter="Benign", num_images=130)
    assert first.status == 0, first.log
    rows = first.out.rows()
    assert len(rows) == 130
    assert {row["diagnosis_1"] for row in rows} == {"Benign"}
    assert {row["copyright_license"] for row in rows} <= {"CC-0", "CC-BY", "CC-BY-NC"}
    assert tuple(rows[0])[:12] == FIXED_COLUMNS
    assert list(rows[0])[12:] == sorted(list(rows[0])[12:])
    first.out.verify()
    assert first.out.failures() == {}
    summary = first.out.summary()
    assert summary["exit_status"] == 0
    assert summary["records"] == {"stored": 130, "missing": 0, "expected": 130}
    assert summary["arguments"]["filter"] == "Benign"
    licenses = {row["copyright_license"] for row in rows}
    for name in licenses:
        assert (first.out.root / "licenses" / f"{name}.txt").read_text()
    attribution = (first.out.root / "attribution.txt").read_text()
    assert {row["attribution"] for row in rows} == set(attribution.strip().split("\n\n"))
    assert "130 stored" in first.log
    assert not list(first.out.root.glob(".*"))

    replica.reset()
    before = (first.out.root / "metadata.csv").read_bytes()
    second = crawl("isic", filter="benign", num_images=130)
    assert second.status == 0, second.log
    assert image_requests(replica) == 0
    assert (first.out.root / "metadata.csv").read_bytes() == before


def test_a_resumed_list_is_not_paged_from_the_start(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    settings = {"HTTPCACHE_ENABLED": "0"}
    assert crawl("isic", num_images=450, images="none", settings=settings).status == 0
    assert api_requests(replica) >= 5
    replica.reset()
    more = crawl("isic", num_images=520, images="none", settings=settings)
    assert more.status == 0, more.log
    # Page 5 had been left in the middle; the count and the estimate are known.
    assert api_requests(replica) <= 3
    assert len(more.out.rows()) == 520


def test_offset_and_num_images_cut_out_a_part(crawl: Crawler) -> None:
    whole = crawl("isic", images="none", num_images=230, out="whole")
    part = crawl("isic", images="none", num_images=110, offset=120, out="part")
    ids = [row["record_id"] for row in whole.out.rows()]
    assert len(ids) == 230
    cut = {row["record_id"] for row in part.out.rows()}
    assert len(cut) == 110
    assert cut <= set(ids)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"filter": "good"}, "filter=good"),
        ({"query": "anatom_site_general:torso"}, "anatom_site_1"),
        ({"ids": "ISIC_0000001", "since": "2020-01-01"}, "do not go with"),
        ({"attributes": "1"}, "type -a segmentation=1"),
        ({"challenge": "2019", "tables": "/no/such"}, "is no folder"),
    ],
)
def test_wrong_arguments_are_told(args: dict[str, str], words: str) -> None:
    assert words in refusal(IsicSpider, **args)


def test_wrong_arguments_end_with_2_before_any_request(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("isic", fliter="benign", query="anatom_site_general:torso")
    assert ended.status == 2, ended.log
    for words in ("did you mean 'filter'?", "anatom_site_1"):
        assert words in ended.log
    assert "Traceback" not in ended.log
    assert replica.log()["paths"] == {}
    assert not ended.out.root.exists()


def test_an_unknown_spider_ends_with_2(crawl: Crawler) -> None:
    ended = crawl("isik")
    assert ended.status == 2
    assert "did you mean 'isic'?" in ended.log


def test_a_query_is_corrected_and_said_so(crawl: Crawler) -> None:
    ended = crawl("isic", query="benign_malignant:malignant AND sex:Female", num_images=20)
    assert ended.status == 0, ended.log
    assert "query corrected" in ended.log
    assert {(r["diagnosis_1"], r["sex"]) for r in ended.out.rows()} == {("Malignant", "female")}


def test_an_error_of_the_api_is_said_in_words(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults(
        [
            {
                "match": r"/api/v2/images/search/$",
                "kind": "status",
                "status": 400,
                "body": '{"message": "Could not parse search query."}',
            }
        ]
    )
    ended = crawl("isic", query="sex:male", num_images=5)
    assert ended.status == 1
    assert "Could not parse search query" in ended.log
    assert "Traceback" not in ended.log
    assert "Could not parse search query" in ended.out.summary()["error"]


def test_html_in_the_place_of_the_api_is_said_in_words(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": r"/api/v2/images/", "kind": "html"}])
    ended = crawl("isic", num_images=5)
    assert ended.status == 1
    assert "HTML" in ended.log
    assert "Traceback" not in ended.log

    replica.faults([{"match": r"/api/v2/images/", "kind": "html", "times": 1}])
    assert crawl("isic", num_images=5).status == 0


@pytest.mark.slow
def test_an_api_that_goes_in_a_circle_is_read_in_parts(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": r"/api/v2/images/", "kind": "repeat_next"}])
    ended = crawl("isic", images="none", collections="249")
    assert ended.status == 0, ended.log
    assert "circle" in ended.log
    assert len(ended.out.rows()) == len(range(0, 5000, 7))


def test_an_empty_page_in_the_middle_is_gone_through(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": r"/api/v2/images/", "kind": "empty_page", "times": 1}])
    ended = crawl("isic", images="none", num_images=150, settings={"HTTPCACHE_ENABLED": "0"})
    assert ended.status == 0, ended.log
    assert len(ended.out.rows()) == 150


def test_the_count_is_not_trusted(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"match": r"/api/v2/images/", "kind": "count", "count": 3}])
    ended = crawl("isic", images="none", num_images=250)
    assert ended.status == 0, ended.log
    assert len(ended.out.rows()) == 250


def test_ids_from_arguments_files_and_standard_input(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    known = [row["isic_id"] for row in crawl("isic", images="none", num_images=150).out.rows()]
    listed = crawl(
        "isic", ids_file="-", stdin="\n".join([*known, "ISIC_9999999", known[0]]), out="listed"
    )
    assert listed.status == 3, listed.log
    assert {row["isic_id"] for row in listed.out.rows()} == set(known)
    assert listed.out.failures() == {"ISIC_9999999": "not_found"}
    assert "promises 151 records, about " in listed.log
    assert "Licences of the first 100: " in listed.log
    longest = max(map(len, replica.log()["paths"]))
    assert longest < 8192


def test_ids_of_the_old_archive(crawl: Crawler, replica: ReplicaProcess) -> None:
    first = crawl("isic", images="none", num_images=3).out.rows()[0]["isic_id"]
    legacy = replica.legacy_id(first)
    ended = crawl("isic", ids=f"{legacy},{'0' * 24}", out="old")
    assert ended.status == 3, ended.log
    assert [row["isic_id"] for row in ended.out.rows()] == [first]
    assert ended.out.failures() == {"0" * 24: "not_found"}


@pytest.mark.slow
def test_collections_by_id_and_name(crawl: Crawler, replica: ReplicaProcess) -> None:
    by_id = crawl("isic", collections="212", images="none", num_images=30, out="a")
    by_name = crawl("isic", collections="ham10000", images="none", num_images=30, out="b")
    assert by_id.status == by_name.status == 0, by_name.log
    assert [r["record_id"] for r in by_id.out.rows()] == [
        r["record_id"] for r in by_name.out.rows()
    ]
    unknown = crawl("isic", collections="HAM1000", out="c")
    assert unknown.status == 1
    assert "did you mean 'HAM10000'" in unknown.log
    assert crawl("isic", collections="99999", out="d").status == 1


def test_since_a_day(crawl: Crawler) -> None:
    ended = crawl("isic", since="2020-01-01", images="none", num_images=20)
    assert ended.status == 0, ended.log
    assert len(ended.out.rows()) == 20
    first = crawl("isic", images="none", num_images=20, out="first").out.rows()
    assert {r["record_id"] for r in first}.isdisjoint(r["record_id"] for r in ended.out.rows())


def test_thumbnails_descriptions_layout_sizes_and_directories(crawl: Crawler) -> None:
    ended = crawl(
        "isic",
        num_images=8,
        images="thumbnail",
        descriptions=1,
        descs_dir="Descriptions",
        images_dir="Images",
        layout="{diagnosis_1}/{isic_id}",
        sizes="16,32",
    )
    assert ended.status == 0, ended.log
    assert "8 records. Licences in the whole list: CC-0" in ended.log  # of small pictures too
    names = set(ended.out.files())
    for row in ended.out.rows():
        folder = row["diagnosis_1"] or "unknown"
        stem = f"{folder}/{row['isic_id']}"
        assert row["file_name"].startswith(f"Images/{stem}.")
        assert row["record_id"].endswith("/thumbnail")
        assert {f"sizes/{size}/Images/{stem}.jpg" for size in (16, 32)} <= names
        description = ended.out.root / f"Descriptions/{row['isic_id']}.json"
        assert json.loads(description.read_text())["isic_id"] == row["isic_id"]


def test_masks_are_found_in_the_releases(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("isic", num_images=40, segmentation=1, seg_dir="Masks")
    assert ended.status in {0, 3}, ended.log
    ended.out.verify()
    masks = ended.out.rows("masks.csv")
    assert masks
    assert {row["record_id"]: row["mask_file_name"] for row in ended.out.rows()} == {
        row["record_id"]: "" for row in ended.out.rows()
    } | {row["mask_of"]: row["file_name"] for row in masks}
    assert {row["format"] for row in masks} == {"PNG"}
    assert all(row["file_name"].startswith("Masks/ISIC_") for row in masks)
    missing = ended.out.failures()
    assert set(missing.values()) <= {"not_found"}
    images = {row["isic_id"] for row in ended.out.rows()}
    with_mask = {row["isic_id"] for row in masks}
    assert with_mask | {name.split("/")[0] for name in missing} == images
    assert len(masks) == len(with_mask)
    records = ended.out.summary()["records"]
    assert records["stored"] + records["missing"] == records["expected"] == 80
    zips = {path: n for path, n in replica.log()["paths"].items() if path.endswith(".zip")}
    assert zips
    assert set(zips.values()) == {1}

    replica.reset()
    experts = crawl(
        "isic", num_images=40, segmentation=1, seg_level="expert", images="none", out="e"
    )
    skills = {r["mask_skill"] for r in experts.out.rows()}
    assert skills == {"expert", ""}


def test_expired_addresses_are_refreshed_once(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"kind": "sign_urls", "expired": True}])
    ended = crawl("isic", num_images=5)
    assert ended.status == 0, ended.log
    assert len(ended.out.rows()) == 5


def test_nothing_matches(crawl: Crawler) -> None:
    ended = crawl("isic", query="diagnosis_1:Nonsense")
    assert ended.status == 3
    assert "No image of the archive matches" in ended.log
    assert ended.out.rows() == []
    (row,) = ended.out.rows("failures.csv")
    assert row["record_id"] == "query diagnosis_1:Nonsense"


def test_a_disk_that_is_too_small_is_said_before_the_download(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": "/size/", "kind": "json", "body": {"size": 10**15}}])
    ended = crawl("isic")
    assert ended.status == 1
    assert "GB free" in ended.log
    assert image_requests(replica) < 200


def test_spiders_and_rebuild(crawl: Crawler) -> None:
    ended = crawl("isic", num_images=20)
    tables = {
        name: (ended.out.root / name).read_bytes() for name in ("metadata.csv", "failures.csv")
    }
    for name in tables:
        (ended.out.root / name).write_bytes(b"spoiled")
    done = scrapy("rebuild", ended.out.root)
    assert done.returncode == 0, done.stderr
    assert {name: (ended.out.root / name).read_bytes() for name in tables} == tables

    listed = scrapy("spiders")
    assert "scrapy crawl isic -a filter=benign" in listed.stdout


@pytest.mark.slow
def test_so_many_of_each_class_are_drawn_by_a_seed(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("isic", per_class=6, query="diagnosis_3:*")
    assert ended.status == 0, ended.log
    rows = ended.out.rows()
    assert Counter(row["diagnosis_1"] for row in rows) == {"Benign": 6, "Malignant": 6}
    ended.out.verify()
    again = crawl("isic", per_class=6, query="diagnosis_3:*", out="again", images="thumbnail")
    assert {r["isic_id"] for r in again.out.rows()} == {r["isic_id"] for r in rows}
    other = crawl("isic", per_class=6, query="diagnosis_3:*", out="other", seed=1)
    assert {r["isic_id"] for r in other.out.rows()} != {r["isic_id"] for r in rows}
    assert max(int(r["isic_id"][5:]) for r in [*rows, *other.out.rows()]) > 2500
    replica.reset()
    assert crawl("isic", per_class=6, query="diagnosis_3:*").status == 0
    assert image_requests(replica) == 0

    # What a class has not is said; pictures that fail are replaced.
    # However many fail, further ones are read while the archive has them.
    replica.faults([{"match": "isic-s3/images", "kind": "status", "status": 404, "share": 0.8}])
    short = crawl("isic", per_class=12, query="isic_id:ISIC_0000*", out="short", **{"class": "sex"})
    assert short.status == 0, short.log
    assert Counter(row["sex"] for row in short.out.rows()) == {"female": 12, "male": 12}
    replica.faults([])
    short = crawl("isic", per_class=30, query="isic_id:ISIC_00000*", filter="malignant", out="few")
    assert short.status == 3, short.log
    assert "falls short by" in short.log
    (row,) = short.out.rows("classes.csv")
    assert (row["class"], row["candidates"]) == ("diagnosis_1:Malignant", row["stored"])


def test_what_does_not_go_with_classes_is_refused() -> None:
    assert "has no classes: did you mean 'diagnosis_1'" in refusal(
        IsicSpider, per_class=5, **{"class": "diagnosis1"}
    )
    for name in ("age_approx", "patient_id", "melanocytic", "zzz"):
        assert f"class={name} has no classes" in refusal(IsicSpider, per_class=5, **{"class": name})
    assert "leave out ids" in refusal(IsicSpider, per_class=5, ids="ISIC_0000001")
    assert "-a per_class=" in refusal(IsicSpider, **{"class": "sex"})
