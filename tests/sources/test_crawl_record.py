"""Records of repositories, by their APIs: names, folders, digests, what is closed, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.arguments import parse_arguments
from replicas import repository_world as world
from spiders.record import RecordSpider
from tests.conftest import refusal, scrapy

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

SMALL = {
    "zenodo": {"doi": "10.5281/zenodo.100001"},
    "figshare": {"doi": "https://doi.org/10.6084/m9.figshare.100001"},
    "dataverse": {"doi": "doi:10.7910/DVN/small"},
    "osf": {"doi": "10.17605/OSF.IO/SMAL1"},
    "dryad": {"doi": "10.5061/dryad.small"},
    "mendeley": {"doi": "10.17632/small"},
    "biostudies": {"doi": "10.6019/S-BIAD100001"},
}
LARGE = {
    "zenodo": "https://zenodo.org/doi/10.5281/zenodo.100003",
    "figshare": "https://figshare.com/articles/dataset/large/100003/1",
    "dataverse": "https://dataverse.harvard.edu/dataset.xhtml?persistentId=doi:10.7910/DVN/large",
    "osf": "https://osf.io/larg3/",
    "dryad": "https://datadryad.org/stash/dataset/doi:10.5061/dryad.large",
    "mendeley": "https://data.mendeley.com/datasets/large-set",
    "biostudies": "https://www.ebi.ac.uk/biostudies/BioImages/studies/S-BIAD100003?query=x",
}


@pytest.mark.parametrize("repository", SMALL)
def test_a_record_with_folders_a_closed_file_and_a_digest_that_lies(
    repository: str, crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("record", **SMALL[repository])
    assert ended.status == 3, ended.log
    ended.out.verify()
    rows = {row["file_name"].removeprefix("files/"): row for row in ended.out.rows()}
    failures = {name.rpartition("/")[2]: why for name, why in ended.out.failures().items()}
    good = set(world.SMALL) - {"secret.tif", "liar.tif"}
    if repository == "biostudies":  # which restricts whole studies, and lists folders as entries
        assert failures == {"raw.zarr": "not_found", "liar.tif": "corrupt"}
    else:
        assert failures == {"secret.tif": "forbidden", "liar.tif": "corrupt"}
    assert "and the source says" in str(ended.out.rows("failures.csv"))
    assert set(rows) == good
    for name in good:
        assert (ended.out.root / "files" / name).read_bytes() == world.SMALL[name]
        assert rows[name]["listed_size"] == rows[name]["bytes"]
    row = rows["plate 1/deep/b.tif"]
    assert row["title"] == world.TITLE
    assert row["authors"] == "; ".join(world.AUTHORS)
    assert row["copyright_license"].upper().startswith("CC")
    assert row["record_id"].endswith("/plate 1/deep/b.tif")
    citation = (ended.out.root / "CITATION.cff").read_text()
    assert 'title: "Stacks of a \\"replica\\": one"' in citation
    assert '- name: "Replica, Ada"' in citation
    assert "Replica, Ada; Replica, Bo: Stacks" in (ended.out.root / "attribution.txt").read_text()
    if repository == "zenodo":  # whose versions are records of their own
        assert "extra" not in scrapy("verify", ended.out.root).stdout
        return
    replica.versions(2)
    again = crawl("record", **SMALL[repository])
    assert "has changed: it was" in again.log
    assert "Files that differ are fetched anew" in again.log
    later = {row["file_name"].removeprefix("files/"): row for row in again.out.rows()}
    assert later.keys() == {*good, "added.txt"}
    changed = {name for name in good if later[name]["sha256"] != rows[name]["sha256"]}
    if repository == "biostudies":  # a file of the same size cannot be told from what was there
        assert later["plate 1/a #1.tif"]["bytes"] != rows["plate 1/a #1.tif"]["bytes"]
    assert changed == {"plate 1/a #1.tif"}


@pytest.mark.parametrize("repository", LARGE)
def test_a_record_of_many_files_is_read_to_its_last_page(
    repository: str, crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("record", url=LARGE[repository], dry_run=1)
    assert ended.status == 0, ended.log
    assert "2,500 files: txt 2,500." in ended.log
    assert "files/many/2499.txt" in ended.log


def test_a_later_version_is_said_and_replaces_what_changed(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.versions(2)
    first = crawl("record", url="https://zenodo.org/record/100001", match="*.tif")
    assert "There is a later version of this record: https://zenodo.org/records/100002" in first.log
    before = {row["record_id"]: row["sha256"] for row in first.out.rows()}
    assert before.keys() == {"100000/plate 1/a #1.tif", "100000/plate 1/deep/b.tif"}
    second = crawl("record", doi="10.5281/zenodo.100002", match="*.tif")
    assert "has changed: it was 100001, and is 100002" in second.log
    after = {row["record_id"]: row for row in second.out.rows()}
    changed = {key for key in before if after[key]["sha256"] != before[key]}
    assert changed == {"100000/plate 1/a #1.tif"}
    assert {row["version"] for row in after.values()} == {"2.0"}
    assert "later version" not in second.log


@pytest.mark.parametrize(
    "url",
    [
        "https://zenodo.org/records/100004",
        "https://figshare.com/articles/dataset/closed/100004",
        "https://dataverse.harvard.edu/dataset.xhtml?persistentId=doi:10.7910/DVN/closed",
        "https://osf.io/clos4/",
    ],
)
def test_what_only_some_may_have_is_forbidden(
    url: str, crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("record", url=url)
    assert ended.status == 3, ended.log
    (row,) = ended.out.rows("failures.csv")
    assert row["reason"] == "forbidden"
    assert "restricted" in row["message"]


def test_a_record_that_has_been_opened_since(crawl: Crawler, replica: ReplicaProcess) -> None:
    url = "https://zenodo.org/records/100005"
    replica.faults([{"match": "/records/100005$", "kind": "status", "status": 403}])
    closed = crawl("record", url=url, match="*.txt")
    assert closed.out.failures() == {url: "forbidden"}
    replica.faults([])
    ended = crawl("record", url=url, match="*.txt")
    assert ended.status == 0, ended.log
    assert ended.out.failures() == {}
    assert [row["file_name"] for row in ended.out.rows()] == ["files/notes.txt"]


def test_names_and_addresses_that_would_do_harm(crawl: Crawler, replica: ReplicaProcess) -> None:
    """Nothing lies outside of its folder, and nothing of OUT's own is replaced."""
    url = "https://zenodo.org/api/records/100005/files/notes.txt/content"
    names = ["../../../etc/passwd", "/etc/shadow", "a/../../b.txt", "..", "../ledger.sqlite"]
    names += ["x\0y.txt", "n" * 400, ".lock", "A.txt", "a.txt", "dir", "dir/f.txt", "con.txt"]
    entries: list[Any] = [{"key": name, "size": 2, "links": {"content": url}} for name in names]
    for name, link in {
        "private": "http://169.254.169.254/latest/",
        "local": "file:///etc/passwd",
        "ftp": "ftp://ftp.example.org/x",
    }.items():
        entries.append({"key": name, "size": 2, "links": {"content": link}})
    entries += [{"key": "long", "size": 999, "links": {"content": url}}, {"key": None}, 3, None]
    body = {"entries": entries, "links": {"next": url.removesuffix("/notes.txt/content")}}
    replica.faults([{"match": "/100005/files$", "kind": "json", "body": body}])
    ended = crawl("record", url="https://zenodo.org/records/100005")
    assert ended.status == 3, ended.log
    assert "Traceback" not in ended.log
    ended.out.verify()
    assert {name.rpartition("/")[2]: why for name, why in ended.out.failures().items()} == {
        "private": "blocked_address",
        "local": "bad_url",
        "ftp": "bad_url",
        "long": "corrupt",
    }
    stored = [row["file_name"] for row in ended.out.rows()]
    assert len({name.casefold() for name in stored}) == len(names)
    assert all(name.startswith("files") and ".." not in name.split("/") for name in stored)


def test_a_crawl_of_its_page_says_that_there_is_more(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("static_page", url="https://zenodo.org/records/100001", dry_run=1)
    assert "scrapy crawl record -a url=https://zenodo.org/records/100001" in ended.log


@pytest.mark.slow
def test_archives_are_unpacked_where_that_is_asked_for(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    url = "https://zenodo.org/records/100005"
    whole = crawl("record", url=url, out="whole", match="*.txt,plates/*.zip")
    assert {row["file_name"] for row in whole.out.rows()} == {
        *("files/notes.txt", "files/plates/all.zip")
    }
    ended = crawl("record", url=url, unpack=1)
    assert ended.status == 3, ended.log
    ended.out.verify()
    rows = {row["record_id"].partition("/")[2]: row for row in ended.out.rows()}
    members = ("a/1.tif", "a/2.tif", "../../escape.tif")
    stems = ("plates/all", "plain", "g", "b", "x")
    assert set(rows) == {"notes.txt", *(f"{stem}/{name}" for stem in stems for name in members)} | {
        "other.7z"
    }
    assert rows["plates/all/a/1.tif"]["file_name"] == "files/plates/all/a/1.tif"
    assert rows["plates/all/a/1.tif"]["archive"] == "plates/all.zip"
    assert len({rows[f"{stem}/a/1.tif"]["sha256"] for stem in stems}) == 1
    assert all(".." not in row["file_name"] for row in rows.values())
    # What cannot be unpacked is kept as it is, where it is what was promised at all.
    failures = {name.partition("/")[2]: why for name, why in ended.out.failures().items()}
    assert failures["liar.tar"] == "corrupt"
    assert failures.keys() <= {"liar.tar", "cut.tar.gz"}
    assert "other.7z cannot be unpacked, only ZIP and TAR can" in ended.log
    assert "cut.tar.gz cannot be unpacked, and is kept as it is" in ended.log
    assert "plain.tar has 2 links or devices, which are no files" in ended.log
    again = crawl("record", url=url, unpack=1)
    assert again.out.summary()["this_run"]["already_there"] == len(rows)


def test_parts_of_a_project_are_named(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("record", url="https://osf.io/smal1", match="*.txt")
    assert ended.status == 0, ended.log
    assert ended.out.summary()["not_followed"]["first"] == ["https://osf.io/chi1d/"]


@pytest.mark.parametrize(
    ("url", "later"),
    [
        ("https://figshare.com/articles/dataset/small/100001/1", "articles/100001/2"),
        (
            "https://dataverse.harvard.edu/dataset.xhtml?persistentId=doi:10.7910/DVN/small&version=1.0",
            "persistentId=doi:10.7910/DVN/small",
        ),
        ("https://data.mendeley.com/datasets/small-set/1", "datasets/small-set/2"),
    ],
)
def test_a_version_that_is_asked_for_is_read_and_a_later_one_named(
    url: str, later: str, crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.versions(2)
    ended = crawl("record", url=url, dry_run=1)
    assert "There is a later version of this record: " in ended.log
    assert later in ended.log
    assert "added.txt" not in ended.log


def test_what_is_no_record_is_said_in_words(crawl: Crawler, replica: ReplicaProcess) -> None:
    told = {
        "https://doi.org/10.5281/zenodo.9": "there is no such public record",
        "https://example.org/data": "scrapy crawl static_page -a url=https://example.org/data",
    }
    for number, (url, words) in enumerate(told.items()):
        ended = crawl("record", url=url, out=f"o{number}")
        assert ended.status == 1
        assert words in ended.log
        assert "Traceback" not in ended.log


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "Give doi or url"),
        ({"doi": "10.5281/zenodo.1", "url": "https://zenodo.org/records/1"}, "one of them"),
        ({"doi": "zenodo.1"}, "type a DOI"),
        ({"url": "zenodo.org/records/1"}, "beginning with https://"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, str], words: str) -> None:
    assert words in refusal(RecordSpider, **arguments)


def test_each_record_has_a_folder_of_its_own() -> None:
    for given, out in [
        ({"doi": "10.5281/zenodo.1"}, "data/record-10.5281-zenodo.1"),
        ({"url": "https://osf.io/abcde/"}, "data/record-osf.io-abcde"),
    ]:
        assert parse_arguments(RecordSpider, given).default_out("record") == out
