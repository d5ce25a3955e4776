"""The same command again: OUT is what a first run would bring, and what has gone besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from replicas.process import ReplicaProcess
from tests.conftest import Crawler, Ended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORDS = 287
OWN = {"downloaded_at", "final_url", "url"}  # what differs from run to run and from OUT to OUT


@pytest.fixture(scope="module")
def _small() -> Iterator[ReplicaProcess]:
    with ReplicaProcess(records=RECORDS, tiny=True) as process:
        yield process


@pytest.fixture
def archive(_small: ReplicaProcess) -> ReplicaProcess:
    _small.isic()
    _small.grow(RECORDS)
    _small.reset()
    return _small


@pytest.fixture
def crawl(tmp_path: Path, archive: ReplicaProcess) -> Crawler:
    return Crawler(tmp_path, archive)


def isic_ids(*numbers: int) -> list[str]:
    return [f"ISIC_{number:07d}" for number in numbers]


def labels(ended: Ended) -> dict[str, dict[str, Any]]:
    """The rows of what is in the list, by id, without what is the run's own."""
    gone = ("withdrawn_at", "unmatched_at")
    return {
        row["record_id"]: {n: v for n, v in row.items() if v and n not in OWN}
        for row in ended.out.rows()
        if not any(row.get(name) for name in gone)
    }


def api_requests(archive: ReplicaProcess) -> int:
    paths = archive.log()["paths"]
    return sum(n for path, n in paths.items() if path.startswith("/isic/api/v2/images/"))


def test_what_became_part_of_a_list_behind_the_bookmark_is_found(
    crawl: Crawler, archive: ReplicaProcess
) -> None:
    hidden = isic_ids(0, 7, 30, 31, 99, *range(200, 208))
    archive.isic(private=hidden)
    first = crawl("isic", out="all", images="none")
    assert first.status == 0, first.log
    assert len(first.out.rows()) == RECORDS - len(hidden)
    malignant = crawl("isic", out="malignant", filter="malignant", images="none")
    before = labels(malignant)

    # Five old images are published, two withdrawn; of the old ones three are relabelled to and
    # one from malignant, and one has another age, which neither count nor bytes tell.
    relabelled = (
        {
            isic_id: {"diagnosis_1": "Malignant", "diagnosis_3": "Melanoma, NOS"}
            for isic_id in isic_ids(1, 2, 3)
        }
        | {min(before): {"diagnosis_1": "Indeterminate"}}
        | {isic_ids(9)[0]: {"sex": None}}
    )
    gone = isic_ids(12, 250)
    archive.isic(private=[*hidden[5:], *gone], labels=relabelled)
    again = crawl("isic", out="all", images="none")
    fresh = crawl("isic", out="fresh", images="none")
    assert again.status == 0, again.log
    assert labels(again) == labels(fresh)
    assert len(labels(fresh)) == RECORDS - len(hidden) + 5 - 2
    assert "read from its beginning: " in again.log

    summary = again.out.summary()
    assert summary["records"] == {"stored": 279, "missing": 0, "expected": 277}
    assert summary["withdrawn"] == summary["this_run"]["withdrawn"] == 2
    assert summary["this_run"]["relabelled"] == 5
    assert summary["this_run"]["outcomes"] == {"stored": 5}
    kept = {row["record_id"]: row for row in again.out.rows()}
    assert all(kept[isic_id]["withdrawn_at"] for isic_id in gone)
    changes = {(r["record_id"], r["column"]): r for r in again.out.rows("changes.csv")}
    assert changes["ISIC_0000001", "diagnosis_1"]["after"] == "Malignant"
    assert changes["ISIC_0000009", "sex"]["after"] == ""
    assert changes["ISIC_0000009", "sex"]["before"] in {"female", "male"}
    assert {name for name, column in changes if column == "withdrawn_at"} == set(gone)

    again = crawl("isic", out="malignant", filter="malignant", images="none")
    fresh = crawl("isic", out="fresh-malignant", filter="malignant", images="none")
    assert labels(again) == labels(fresh)
    assert {*isic_ids(1, 2, 3)} <= set(labels(again))
    (left,) = (row for row in again.out.rows() if row.get("unmatched_at"))
    assert (left["record_id"], left["diagnosis_1"]) == (min(before), "Indeterminate")

    archive.reset()
    quiet = crawl("isic", out="all", images="none")
    assert quiet.status == 0
    assert "from its beginning" not in quiet.log
    assert api_requests(archive) == 4  # the count, the bytes, the labels, and the last page
    assert quiet.out.summary()["records"] == {"stored": 279, "missing": 0, "expected": 277}
    again = crawl("isic", out="all", images="none", sync="full")
    assert labels(quiet) == labels(again)
    assert "277 already there" in again.log
