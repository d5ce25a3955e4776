"""One OUT that is asked a second, different question: each file answers the one of its row."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from replicas.web import picture

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Out


def url(name: str, number: int) -> str:
    return f"http://{name}{number % 4}.example/{number}.jpg"


def write_list(path: Path, urls: dict[int, str], *, digests: bool = False) -> Path:
    lines = ["id,url,caption" + (",sha256" if digests else "")]
    for number, address in urls.items():
        sha256 = hashlib.sha256(picture(address)).hexdigest()
        line = f"{number},{address},of {address}"
        lines.append(f"{line},{sha256}" if digests else line)
    path.write_text("\n".join(lines))
    return path


def asked(replica: ReplicaProcess) -> list[str]:
    paths = [p.partition("/web/http/")[2] for p in replica.log()["paths"] if "/web/" in p]
    return sorted(path for path in paths if path.endswith(".jpg"))


def answers(out: Out) -> dict[str, str]:
    """The address in each row, whose own bytes the row's file must have."""
    for row in out.rows():
        data = (out.root / row["file_name"]).read_bytes()
        assert data == picture(row["url"]), row
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        assert row["caption"] == f"of {row['url']}"
    return {row["record_id"]: row["url"] for row in out.rows()}


@pytest.mark.slow
def test_a_list_that_was_corrected_is_asked_for_its_corrections(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    urls = {n: url("a", n) for n in range(20)}
    replica.faults([{"match": "/gone/", "kind": "status", "status": 404}])
    before = write_list(tmp_path / "before.csv", urls | {3: "http://a3.example/gone/3.jpg"})
    assert crawl("urls", list=before).status == 3

    replica.reset()
    corrected = urls | {1: url("b", 1), 2: "http://a2.example/gone/2.jpg", 3: url("b", 3)}
    ended = crawl("urls", list=write_list(tmp_path / "after.csv", corrected))
    assert ended.status == 3, ended.log
    assert asked(replica) == ["a2.example/gone/2.jpg", "b1.example/1.jpg", "b3.example/3.jpg"]
    # What cannot be had leaves the file and the row of before, and says so.
    assert answers(ended.out) == {str(n): u for n, u in (corrected | {2: url("a", 2)}).items()}
    assert ended.out.rows("failures.csv") == []
    outdated = {row["record_id"]: row["outdated"] for row in ended.out.rows() if row["outdated"]}
    assert set(outdated) == {"2"}
    assert outdated["2"].startswith("not_found: HTTP 404")
    summary = ended.out.summary()
    assert (summary["outdated"], summary["this_run"]["changed"]) == (1, 3)
    assert summary["records"]["stored"] == 20
    ended.out.verify()

    replica.reset()
    same = crawl("urls", list=tmp_path / "after.csv")
    assert (same.status, asked(replica)) == (3, [])
    back = crawl("urls", list=write_list(tmp_path / "back.csv", urls | {3: url("b", 3)}))
    assert back.status == 0, back.log
    assert asked(replica) == ["a1.example/1.jpg"]
    assert answers(back.out) == {str(n): u for n, u in (urls | {3: url("b", 3)}).items()}
    assert back.out.summary()["outdated"] == 0
    back.out.verify()


def test_another_dataset_is_refused_and_replaces_where_it_is_told_to(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    first = {n: url("a", n) for n in range(12)}
    second = {n: url("b", n) for n in range(15)}
    assert crawl("urls", list=write_list(tmp_path / "a.csv", first)).status == 0
    there = [p for p in (tmp_path / "out").rglob("*") if p.is_file() and p.suffix != ".sqlite"]
    held = {p: p.read_bytes() for p in there if p.name != "runs.csv"}
    replica.reset()
    refused = crawl("urls", list=write_list(tmp_path / "b.csv", second))
    assert refused.status == 2
    assert "12 have ids that are there already, and 12 of these with other" in refused.log
    assert replica.log()["requests"] == 0
    assert {p: p.read_bytes() for p in held} == held
    # The history alone tells of it: whoever has it run every night must see that.
    assert [row["exit_status"] for row in refused.out.rows("runs.csv")] == ["0", "2"]
    replaced = crawl("urls", list=tmp_path / "b.csv", changed="replace", layout="new/{id}")
    assert replaced.status == 0, replaced.log
    assert not list((replaced.out.root / "images").glob("*.jpg"))
    assert answers(replaced.out) == {str(n): u for n, u in second.items()}
    replaced.out.verify()


def test_lines_without_ids_may_come_go_and_change_their_order(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    path = tmp_path / "list.txt"
    urls = [url("a", n) for n in range(10)]
    path.write_text("\n".join([*urls, urls[4]]))
    first = crawl("urls", list=path)
    assert first.status == 0, first.log
    names = {row["record_id"]: row["file_name"] for row in first.out.rows()}
    assert set(names) == {*urls, f"{urls[4]}~2"}  # rows that share an address stay two
    replica.reset()
    path.write_text("\n".join([url("a", 77), *reversed(urls[3:]), urls[4]]))
    again = crawl("urls", list=path)
    assert again.status == 0, again.log
    assert asked(replica) == ["a1.example/77.jpg"]
    rows = {row["record_id"]: row for row in again.out.rows()}
    assert {i: row["file_name"] for i, row in rows.items() if i in names} == names
    for row in rows.values():
        assert (again.out.root / row["file_name"]).read_bytes() == picture(row["url"])


@pytest.mark.parametrize("digests", [False, True])
def test_what_a_kill_left_of_another_list_is_not_taken_for_this_one(
    digests: bool, crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    first = {n: url("a", n) for n in range(60)}
    second = {n: url("b" if n % 3 else "a", n) for n in range(60)}
    running = crawl.start(
        "urls",
        list=write_list(tmp_path / "a.csv", first),
        settings={"ITEMS_IN_FLIGHT": 8, "ITEMS_IN_FLIGHT_PER_HOST": 2},
    )
    replica.until_asked("/web/", 40)
    running.kill()
    running.communicate()
    replica.reset()
    path = write_list(tmp_path / "b.csv", second, digests=digests)
    ended = crawl("urls", list=path, changed="replace")
    assert ended.status == 0, ended.log
    assert answers(ended.out) == {str(n): u for n, u in second.items()}
    ended.out.verify()
    assert len(asked(replica)) < 60  # what did answer was taken over


@pytest.mark.slow
def test_full_pictures_are_not_what_a_kill_left_of_thumbnails(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    args: dict[str, Any] = {"num_images": 60, "settings": {"ITEMS_IN_FLIGHT": 8}}
    running = crawl.start("isic", images="thumbnail", **args)
    replica.until_asked("/isic-s3/thumbnails/", 25)
    running.kill()
    running.communicate()
    ended = crawl("isic", images="full", **args)
    assert ended.status == 0, ended.log
    whole = crawl("isic", out="whole", images="full", **args)
    assert ended.out.files() == whole.out.files()
    assert [r["sha256"] for r in ended.out.rows()] == [r["sha256"] for r in whole.out.rows()]
