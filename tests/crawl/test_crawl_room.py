"""``max_total_bytes=``: a run ends before its dataset would pass it, and another goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imgcrawl.crawl.room import DatasetRoom
from imgcrawl.dataset.history import read_runs
from imgcrawl.records.errors import RecordMissing
from imgcrawl.text.sizes import size_of_text

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

EBI = "/ebi/empiar/world_availability/11759/data/"


@pytest.mark.slow
def test_pictures_up_to_the_limit_and_then_the_rest(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    limit = 21_000  # of about 41 kB
    ended = crawl("isic", num_images=40, max_total_bytes=limit)
    assert ended.status == 3, ended.log
    ended.out.verify()
    stored = sum(int(row["bytes"]) for row in ended.out.rows())
    assert limit - 3000 < stored <= limit
    assert set(ended.out.failures().values()) <= {"disk_full", "interrupted"}
    summary = ended.out.summary()
    assert summary["error"].startswith(f"max_total_bytes={limit} is reached: ")
    assert "Stopped: max_total_bytes=21000 is reached" in ended.log
    assert "is full" not in ended.log  # the disk is not
    assert not [*(ended.out.root / ".parts").glob("*")]

    again = crawl("isic", num_images=40, max_total_bytes=limit)
    assert again.status == 3, again.log
    assert sum(int(row["bytes"]) for row in again.out.rows()) <= limit
    again.out.verify()

    whole = crawl("isic", num_images=40, max_total_bytes="1MB")
    assert whole.status == 0, whole.log
    whole.out.verify()
    assert len(whole.out.rows()) == 40
    runs = read_runs(whole.out.root)
    assert [run.exit_status for run in runs] == [3, 3, 0]
    assert runs[0].error.startswith("max_total_bytes=")
    assert not runs[2].error


def test_a_large_file_that_has_no_room_is_not_downloaded(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    all_of_them = crawl("static_page", url=f"{replica.url}{EBI}", out="all")
    sizes = sorted(int(row["bytes"]) for row in all_of_them.out.rows())
    replica.reset()
    few = crawl("static_page", url=f"{replica.url}{EBI}", max_total_bytes=sizes[0] + 1)
    assert few.status == 3, few.log
    stored = [int(row["bytes"]) for row in few.out.rows()]
    assert sum(stored) <= sizes[0] + 1
    full = [row for row in few.out.rows("failures.csv") if row["reason"] == "disk_full"]
    assert full
    assert all("max_total_bytes" in row["message"] for row in full)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("500", 500), ("500GB", 500 * 10**9), ("1.5 tb", 15 * 10**11), ("8GiB", 8 << 30)),
        *(("2k", 2000), ("7 bytes", 7), ("7B", 7), ("0.5m", 500_000), ("", None), ("-1", None)),
        *(("1e9", None), ("500 G B", None), ("GB", None), ("nan", None), ("٣GB", None)),
    ],
)
def test_sizes_as_people_type_them(text: str, size: int | None) -> None:
    assert size_of_text(text) == size


def test_room() -> None:
    room = DatasetRoom(100, 60)
    room.require(40)
    room.take(40)
    with pytest.raises(RecordMissing, match=r"disk_full|max_total_bytes"):
        room.require(1)
    room.take(-50)
    room.require(50)
    DatasetRoom(0, 60).require(1 << 60)
