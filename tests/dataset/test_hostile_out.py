"""An OUT that came from others: its links, pipes, ledger and summary do nobody harm."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.merge import merge_tables
from imgcrawl.download.partial_file import PartialFile
from tests.warm_start import WARM, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Crawler

LOOKING = [["rebuild"], ["linkrot"]]


def scrapy(*words: str | Path) -> tuple[int, str]:
    """Exit status and all that was said; never a traceback, never a wait."""
    done = run([*WARM, *map(str, words)], capture_output=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def dataset(root: Path) -> Path:
    root.mkdir()
    Ledger(root / "ledger.sqlite").close()
    return root


def changed(out: Path, statements: str) -> Path:
    db = sqlite3.connect(out / "ledger.sqlite")
    db.executescript(statements)
    db.close()
    return out


RECORD = (
    "INSERT INTO records (record_id, outcome, tries, last_try_at, path, metadata, item, file_name)"
    " VALUES ('a', '{outcome}', 1, '2026-01-01', '{path}', '{metadata}', '{{}}', '{file}');"
)


def record(
    outcome: str = "stored", path: str = "p", metadata: str = "{}", file: str = "p.jpg"
) -> str:
    return RECORD.format(outcome=outcome, path=path, metadata=metadata, file=file)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    folder = tmp_path / "victim"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "precious").write_text("precious")
    return folder


def is_whole(victim: Path) -> bool:
    return [p.name for p in victim.rglob("*") if p.is_file()] == ["precious"] and (
        victim / "below" / "precious"
    ).read_text() == "precious"


@pytest.mark.parametrize("name", [".partial", ".parts", ".archives"])
def test_a_link_in_the_place_of_a_folder_is_not_emptied(
    name: str, tmp_path: Path, victim: Path
) -> None:
    out = dataset(tmp_path / "out")
    (out / name).symlink_to(victim)
    status, said = scrapy("rebuild", out)
    assert status == 1
    assert f"{name} is a link" in said
    assert is_whole(victim)


@pytest.mark.parametrize("name", [".lock", "metadata.csv", "failures.csv", "ledger.sqlite-wal"])
def test_a_link_in_the_place_of_a_file_is_not_written_through(
    name: str, tmp_path: Path, victim: Path, crawl: Crawler
) -> None:
    out = dataset(tmp_path / "out")
    (out / name).symlink_to(victim / "below" / "precious")
    status, said = scrapy("rebuild", out)
    assert status == 1
    assert f"{name} is a link" in said
    assert crawl("isic", num_images=2).status == 1
    assert is_whole(victim)


def test_links_among_what_is_half_done_are_not_written_through(
    tmp_path: Path, victim: Path, crawl: Crawler
) -> None:
    out = dataset(tmp_path / "out")
    for name in ("metadata.csv", "failures.csv", "summary.json", "0.part", "0.body", "1.part"):
        (out / ".partial").mkdir(exist_ok=True)
        (out / ".partial" / name).symlink_to(victim / "below" / "precious")
    assert crawl("isic", num_images=2).status == 0
    assert is_whole(victim)
    assert not any(path.is_symlink() for path in out.rglob("*"))


def test_a_link_in_the_place_of_a_part_is_not_written_through(tmp_path: Path, victim: Path) -> None:
    for name in ("x.part", "x.note"):
        (tmp_path / name).symlink_to(victim / "below" / "precious")
    part = PartialFile.opened(tmp_path / "x.part", "https://a.example/x")
    part.size, part.validator = 10, '"tag"'
    part.write(0, b"0123456789")
    part.add(0, 10)
    part.finish()
    assert (tmp_path / "x.part").read_bytes() == b"0123456789"
    assert is_whole(victim)


def test_merged_tables_are_not_written_through_a_link(tmp_path: Path, victim: Path) -> None:
    (tmp_path / ".metadata.csv.partial").symlink_to(victim / "below" / "precious")
    merge_tables([], tmp_path)
    assert (tmp_path / "metadata.csv").is_file()
    assert not (tmp_path / "metadata.csv").is_symlink()
    assert is_whole(victim)


@pytest.mark.parametrize("words", LOOKING)
@pytest.mark.parametrize(
    "statements",
    [
        "DROP TABLE columns; CREATE VIEW columns AS WITH RECURSIVE c(name) AS"
        " (SELECT 'a' UNION ALL SELECT name || 'a' FROM c) SELECT name FROM c;",
        "CREATE TRIGGER t AFTER INSERT ON state BEGIN DELETE FROM records; END;",
        "DROP TABLE records;",
        record(metadata="[]"),
        record(metadata='{"a": ' * 5000),
        record(path="../../p"),
        record(file="../../p.jpg"),
        record(file="/etc/passwd"),
    ],
)
def test_a_ledger_that_no_run_has_written_is_refused(
    words: list[str], statements: str, tmp_path: Path
) -> None:
    out = changed(dataset(tmp_path / "out"), statements)
    status, said = scrapy(*words, out)
    assert status == 1
    assert "ledger" in said


def test_a_word_that_is_no_outcome_is_refused(tmp_path: Path) -> None:
    out = changed(dataset(tmp_path / "out"), record(outcome="odd"))
    status, said = scrapy("rebuild", out)
    assert status == 1
    assert "ledger" in said


def test_a_ledger_that_is_damaged_is_said(tmp_path: Path) -> None:
    out = dataset(tmp_path / "out")
    file = out / "ledger.sqlite"
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    status, said = scrapy("rebuild", out)
    assert status == 1
    assert "scrapy rebuild: " in said


@pytest.mark.parametrize("name", ["summary.json", ".lock"])
def test_status_waits_for_no_pipe(name: str, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}") if name != "summary.json" else None
    os.mkfifo(tmp_path / name)
    status, said = scrapy("status", tmp_path)
    assert status == 1
    assert "no plain file" in said


SUMMARY = {
    "spider": "isic\x1b[2J",
    "ended_at": "\x1b]0;title\x07",
    "seconds": 1,
    "exit_status": 1,
    "error": "\x1b[31mred\nline\u202e",
    "records": {"stored": 1, "missing": 0},
    "this_run": {"outcomes": {}},
    "bytes": 1,
}


def test_status_says_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    out = tmp_path / "red\x1b[31m"
    out.mkdir()
    (out / "summary.json").write_text(json.dumps(SUMMARY))
    status, said = scrapy("status", out)
    assert status == 1
    assert all(char.isprintable() or char == "\n" for char in said)
    assert "red line" in said


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        json.dumps(SUMMARY | {"bytes": 1}).replace('"bytes": 1', '"bytes": 1e999'),
        json.dumps(SUMMARY | {"this_run": {"outcomes": []}}),
        json.dumps(SUMMARY | {"records": []}),
        "null",
    ],
)
def test_status_survives_any_summary(text: str, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(text)
    status, said = scrapy("status", tmp_path)
    assert status == 1
    assert "summary.json cannot be read" in said


def test_describe_follows_no_link_in_a_circle_and_waits_for_no_pipe(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "round").symlink_to(".")
    (folder / "zero").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.tif")
    (folder / "a.tif").write_text("no picture")
    status, said = scrapy("describe", folder)
    assert status == 3
    assert said.count("a.tif") == 1
    assert scrapy("describe", folder / "pipe.tif")[0] == 3
