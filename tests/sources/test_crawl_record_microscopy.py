"""Entries of EMPIAR and studies of the Image Data Resource by DOI: many files, revisions, holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

IDR = "/web/https/idr.openmicroscopy.org"


def test_an_entry_of_empiar_by_its_doi(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("record", doi="10.6019/EMPIAR-11759", match="*_000?.dm3")
    assert ended.status == 0, ended.log
    rows = ended.out.rows()
    assert len(rows) == 10
    assert {(row["copyright_license"], row["entry"]) for row in rows} == {("CC0", "EMPIAR-11759")}
    assert '- name: "Replica A"' in (ended.out.root / "CITATION.cff").read_text()
    few = crawl("record", doi="10.6019/EMPIAR-11759", match="*.dm3", max_files=2, out="few")
    assert len(few.out.rows()) == 2


def test_a_study_of_the_image_data_resource_by_its_doi(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("record", doi="10.17867/10000152", match="*.tif")
    assert ended.status == 3, ended.log
    assert {row["project"] for row in ended.out.rows()} == {"idr0086-miron-micrographs/experimentD"}
    assert set(ended.out.failures().values()) <= {"forbidden", "not_found"}
    citation = (ended.out.root / "CITATION.cff").read_text()
    assert 'doi: "10.17867/10000152"' in citation
    assert 'title: "Made up"' in citation
    assert '- name: "Replica B"' in citation
    refused = crawl("record", doi="10.17867/10000152", max_bytes=5, out="refused")
    assert refused.status == 1
    assert "is read by omero, which has no max_bytes" in refused.log


def test_an_entry_of_empiar_of_many_files_in_nested_folders(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("record", doi="10.6019/EMPIAR-12500", dry_run=1)
    assert ended.status == 0, ended.log
    assert "2,500 files: txt 2,500." in ended.log
    # Each folder is read once: data, 5 below it, 50 below those.
    indexes = [path for path in replica.log()["paths"] if path.startswith("/ebi/empiar/world")]
    assert len([path for path in indexes if path.endswith("/")]) == 56


def test_an_entry_of_empiar_that_is_revised(crawl: Crawler, replica: ReplicaProcess) -> None:
    asked = {"doi": "10.6019/EMPIAR-12600"}
    first = crawl("record", **asked)
    assert first.status == 0, first.log
    old = {row["record_id"].rpartition("/")[2]: row for row in first.out.rows()}
    same = crawl("record", **asked)
    assert "has changed" not in same.log
    replica.reset()
    replica.versions(2)
    again = crawl("record", **asked)
    assert again.status == 0, again.log
    assert "has changed: it was EMPIAR-12600 2024-01-15, and is EMPIAR-12600 2024-06-03" in (
        again.log
    )
    assert "1 are asked for in another way than before" in again.log
    assert "1 records are no longer listed: their files are kept" in again.log
    again.out.verify()
    rows = {row["record_id"].rpartition("/")[2]: row for row in again.out.rows()}
    assert rows.keys() == old.keys() | {"a_004.tif"}
    changed = {name for name in old if rows[name]["sha256"] != old[name]["sha256"]}
    assert changed == {"a_002.tif"}  # of the same size: only its day in the index tells
    assert rows["a_002.tif"]["sha256"] == rows["a_004.tif"]["sha256"]
    assert {name for name, row in rows.items() if row["withdrawn_at"]} == {"a_003.tif"}
    fetched = replica.log()["paths"]
    assert "/ebi/empiar/world_availability/12600/data/raw/a_002.tif" in fetched
    assert "/ebi/empiar/world_availability/12600/data/raw/a_001.tif" not in fetched
    third = crawl("record", **asked)
    assert third.out.summary()["this_run"]["already_there"] == 4
    assert {row["record_id"].rpartition("/")[2]: row for row in third.out.rows()} == rows


def test_a_folder_of_empiar_that_cannot_be_read_takes_nothing_away(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    crawl("record", doi="10.6019/EMPIAR-12600")
    replica.faults([{"match": "12600/data/raw/$", "kind": "status", "status": 404}])
    ended = crawl("record", doi="10.6019/EMPIAR-12600")
    assert ended.status == 3, ended.log
    assert not [row for row in ended.out.rows() if row.get("withdrawn_at")]


@pytest.mark.parametrize(
    ("number", "words"), [(12700, "its status is HPUB"), (12701, "EMPIAR answers HTTP 403")]
)
def test_an_entry_of_empiar_that_is_not_released(
    number: int, words: str, crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("record", doi=f"10.6019/EMPIAR-{number}")
    assert ended.status == 3, ended.log
    (row,) = ended.out.rows("failures.csv")
    assert (row["record_id"], row["reason"]) == (f"EMPIAR-{number}", "forbidden")
    assert "is not released, its files are restricted" in row["message"]
    assert words in row["message"]


def test_an_entry_of_empiar_that_has_been_released_since(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": "/EMPIAR-12600/$", "kind": "status", "status": 403}])
    held = crawl("record", doi="10.6019/EMPIAR-12600")
    assert held.out.failures() == {"EMPIAR-12600": "forbidden"}
    replica.faults([])
    ended = crawl("record", doi="10.6019/EMPIAR-12600")
    assert ended.status == 0, ended.log
    assert ended.out.failures() == {}
    assert len(ended.out.rows()) == 4


def test_a_study_of_many_images_is_read_over_all_its_pages(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("record", doi="10.17867/10000200")
    assert ended.status == 0, ended.log
    assert len(ended.out.rows()) == 5
    images = ended.out.rows("wells.csv")
    assert {int(row["image_id"]) for row in images} == set(range(20000, 22500))
    assert replica.log()["paths"][f"{IDR}/api/v0/m/datasets/720/images/"] >= 3


def test_a_study_whose_images_change(crawl: Crawler, replica: ReplicaProcess) -> None:
    """IDR has no versions: what has come and what has left is told by what the last run saw."""
    first = crawl("record", doi="10.17867/10000201")
    assert first.status == 0, first.log
    replica.versions(2)
    again = crawl("record", doi="10.17867/10000201")
    assert again.status == 0, again.log
    assert "1 files are new, 1 are no longer in it" in again.log
    assert "1 records are no longer listed: their files are kept" in again.log
    rows = {row["record_id"]: row for row in again.out.rows()}
    assert rows.keys() == {f"fileset-{n}/{n}.tif" for n in (731, 732, 733)}
    assert {name for name, row in rows.items() if row["withdrawn_at"]} == {"fileset-732/732.tif"}
