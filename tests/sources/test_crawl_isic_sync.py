"""The same command again: OUT is what a first run would bring, and what has gone besides."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.sources.isic.login import IsicLogin
from replicas.isic import TOKEN
from replicas.isic_records import IsicArchive
from replicas.isic_world import IsicWorld
from replicas.process import ReplicaProcess
from tests.conftest import Crawler, Ended, scrapy
from tests.soak import times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORDS = 287
OWN = {"downloaded_at", "final_url", "url"}  # what differs from run to run and from OUT to OUT
QUIET = 3  # requests of a run that finds nothing: the last page, the bytes, and the labels


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


@pytest.mark.slow
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
    assert api_requests(archive) == QUIET
    assert quiet.out.summary()["records"] == {"stored": 279, "missing": 0, "expected": 277}
    again = crawl("isic", out="all", images="none", sync="full")
    assert labels(quiet) == labels(again)
    assert "277 already there" in again.log


@pytest.mark.slow
def test_each_request_of_a_quiet_night_tells_what_the_others_do_not(
    crawl: Crawler, archive: ReplicaProcess
) -> None:
    """The last page is of the database, the sums are of a search engine, which is late."""
    twin = isic_ids(RECORDS - 1)
    archive.isic(private=twin)
    assert crawl("isic", images="none").status == 0
    labelled = {isic_ids(7)[0]: {"anatom_site_1": "Trunk"}}
    archive.isic(private=twin, labels=labelled)
    relabelled = crawl("isic", images="none")
    assert "other values of anatom_site_1" in relabelled.log

    archive.isic(private=twin, labels=labelled, late=True)
    archive.grow(RECORDS + 4)
    archive.reset()
    new = crawl("isic", images="none")
    assert len(new.out.rows()) == RECORDS + 3
    assert new.out.summary()["records"]["expected"] == RECORDS + 3
    archive.isic(private=twin, labels=labelled)  # the sums have them, too
    caught_up = crawl("isic", images="none")
    assert "from its beginning" not in new.log + caught_up.log
    assert api_requests(archive) == 2 * QUIET


def test_an_archive_that_counts_wrongly_is_not_believed_and_told_of(
    crawl: Crawler, archive: ReplicaProcess
) -> None:
    """What its pages have is what there is: more than it counts, fewer, and where it has none."""
    for count, words in (
        (9_999, "counts 9,999 images in this list, and its pages have 287"),
        (0, ""),
    ):
        archive.faults([{"match": "images/$", "kind": "count", "count": count}])
        ended = crawl("isic", images="none", out=f"counted-{count}")
        assert ended.status == 0, ended.log
        assert words in ended.log
        assert ended.out.summary()["records"] == {"stored": 287, "missing": 0, "expected": 287}
    archive.faults([])


@pytest.mark.slow
def test_what_the_archive_cannot_serve_is_stepped_over_and_named(
    crawl: Crawler, archive: ReplicaProcess
) -> None:
    """A record that spoils its page, and more images of one moment than an offset reaches."""
    broken = isic_ids(130, 280)
    archive.isic(broken=broken, ties=[[4, 10], [20, 230]])
    first = crawl("isic", images="none")
    assert first.status == 3, first.log
    assert {row["record_id"] for row in first.out.rows()} == {*isic_ids(*range(RECORDS))} - {
        *broken
    }
    assert first.out.failures() == dict.fromkeys(broken, "server_error")
    assert first.out.summary()["records"] == {"stored": 285, "missing": 2, "expected": 287}
    assert "The rest of the list is read by ids" in first.log

    # Repaired, it is fetched; one that is stored and cannot be served today keeps its row.
    archive.isic(broken=isic_ids(280, 5))
    again = crawl("isic", images="none", sync="full")
    assert again.out.failures() == {"ISIC_0000280": "server_error"}
    rows = {row["record_id"]: row for row in again.out.rows()}
    assert len(rows) == 286
    assert rows["ISIC_0000005"]["anatom_site_1"]
    assert not again.out.summary()["withdrawn"]
    archive.isic()
    mended = crawl("isic", images="none")
    assert mended.status == 0, mended.log
    assert len(mended.out.rows()) == RECORDS

    # One that is new and broken at once, among the old ones.
    archive.isic(private=isic_ids(40), broken=isic_ids(30))
    crawl("isic", images="none", out="later")
    archive.isic(broken=isic_ids(40))
    later = crawl("isic", images="none", out="later")
    assert later.out.failures() == {"ISIC_0000040": "server_error"}

    archive.isic(broken=isic_ids(7), private=isic_ids(8))
    listed = crawl("isic", ids=",".join(isic_ids(5, 6, 7, 8)), images="none", out="listed")
    assert listed.status == 3, listed.log
    assert len(listed.out.rows()) == 2
    assert listed.out.failures() == {"ISIC_0000007": "server_error", "ISIC_0000008": "not_found"}


def test_an_image_that_is_asked_for_by_its_id_and_withdrawn_keeps_its_row(
    crawl: Crawler, archive: ReplicaProcess
) -> None:
    first = crawl("isic", ids="ISIC_0000003,ISIC_0000004")
    before = {row["record_id"]: row for row in first.out.rows()}
    archive.isic(private=["ISIC_0000003"])
    again = crawl("isic", ids="ISIC_0000003,ISIC_0000004")
    after = {row["record_id"]: row for row in again.out.rows()}
    assert after["ISIC_0000003"].pop("withdrawn_at")
    assert after["ISIC_0000003"] == before["ISIC_0000003"]
    again.out.verify()


@pytest.mark.slow
def test_collections_of_one_name_are_refused_before_any_search(
    crawl: Crawler, archive: ReplicaProcess
) -> None:
    archive.isic(
        collections=[
            {"id": 2, "name": "My set", "images": isic_ids(*range(29))},
            {"id": 3, "name": "My Set", "images": isic_ids(40, 41), "doi": "10.34970/1"},
            {"id": 4, "name": "My set", "images": isic_ids(50), "pinned": True},
            *({"id": 500 + n, "name": f"Set {n}"} for n in range(110)),
        ]
    )
    refused = crawl("isic", collections="My set", images="none")
    assert refused.status == 2, refused.log
    for words in ("2: 29 images, not pinned, no DOI", "4: 1 images, pinned"):
        assert words in refused.log
    assert "3: 2 images" not in refused.log
    assert all("search" not in path or n <= 2 for path, n in archive.log()["paths"].items())
    listed = scrapy("isic", "collections", "my set", *archive.settings())
    assert listed.returncode == 0, listed.stderr
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert [line[:3] for line in lines[1:]] == [
        ["4", "1", "pinned"],
        ["3", "2", "-"],
        ["2", "29", "-"],
    ]
    assert lines[2][4:] == ["10.34970/1", "My", "Set"]
    assert set(lines[3][3].split("+")) <= {"CC-0", "CC-BY", "CC-BY-NC"}
    assert listed.stderr == ""
    none = scrapy("isic", "collections", "nobody's", *archive.settings())
    assert (none.returncode, none.stdout) == (3, "")
    part = crawl("isic", collections="My", out="part")
    assert "did you mean 'My set'? Type its id, 4. " in part.log
    taken = crawl("isic", collections="My Set,set 7", images="none", out="b")
    assert taken.status == 0, taken.log
    assert {row["isic_id"] for row in taken.out.rows()} == {*isic_ids(40, 41)}
    assert crawl("isic", collections="my set", images="none", out="c").status == 2


def test_since_has_the_midnight_of_its_day(crawl: Crawler, archive: ReplicaProcess) -> None:
    archive.isic()
    ended = crawl("isic", since="2014-10-13", images="none", num_images=3)
    assert min(row["isic_id"] for row in ended.out.rows()) == "ISIC_0000004"


def test_a_query_that_matches_nothing_says_what_there_is(
    crawl: Crawler, archive: ReplicaProcess
) -> None:
    """One crawl for two questions: what is mended by the archive's names, and what cannot be."""
    archive.isic(labels={n: {"diagnosis_5": "Nevus, of an odd Kind"} for n in isic_ids(3, 4)})
    query = 'diagnosis_5:"nevus of an ODD kind" AND sex:unknown'
    ended = crawl("isic", query=query, images="none")
    assert ended.status == 3, ended.log
    assert 'diagnosis_5:"Nevus, of an odd Kind"' in ended.log
    (row,) = ended.out.rows("failures.csv")
    assert "Type -sex:* for images without sex" in row["message"]


@pytest.mark.slow
def test_values_beyond_the_ten_that_the_archive_names_at_once_are_known(
    crawl: Crawler, archive: ReplicaProcess
) -> None:
    sites = {isic_ids(n)[0]: {"anatom_site_special": f"site {n % 23}"} for n in range(69)}
    archive.isic(labels=sites)
    drawn = crawl("isic", per_class=2, **{"class": "anatom_site_special"})
    assert drawn.status == 0, drawn.log
    assert Counter(row["anatom_site_special"] for row in drawn.out.rows()) == {
        f"site {n}": 2 for n in range(23)
    }
    named = crawl("isic", query='anatom_site_special:"SITE 22"', images="none", out="named")
    assert {row["isic_id"] for row in named.out.rows()} == {*isic_ids(22, 45, 68)}


@pytest.mark.slow
def test_a_token_reaches_what_its_owner_may_see_and_nobody_else(
    crawl: Crawler, archive: ReplicaProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = isic_ids(3, 4)
    archive.isic(private=hidden)
    anybody = crawl("isic", ids="ISIC_0000003,ISIC_0000005", out="anybody")
    assert set(anybody.out.failures()) == {"ISIC_0000003"}
    monkeypatch.setenv("ISIC_TOKEN", TOKEN)
    user = crawl("isic", images="thumbnail", num_images=6, out="user")
    assert user.status == 0, user.log
    assert {*hidden} <= {row["isic_id"] for row in user.out.rows()}
    assert user.out.rows()[3]["public"] == "False"
    for path in user.out.root.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()
    assert TOKEN not in user.log
    assert "Signature=x~y" not in (user.out.root / "metadata.csv").read_text()
    monkeypatch.setenv("ISIC_TOKEN", "expired")
    refused = crawl("isic", num_images=6, out="refused")
    assert refused.status == 2, refused.log
    assert "does not know the token" in refused.log
    archive.faults([{"match": "users/me", "kind": "status", "status": 404}])
    unsure = crawl("isic", num_images=6, out="unsure")
    archive.faults([])
    assert unsure.status == 1, unsure.log
    assert "does not say whose the token" in unsure.log


def test_the_token_is_sent_to_the_api_alone() -> None:
    login = IsicLogin("https://api.isic-archive.com/api/v2/", "secret")
    assert login.headers("https://api.isic-archive.com/api/v2/images/?a=b")
    for url in (
        "https://content.isic-archive.com/x/ISIC_0000000.jpg?Expires=1",
        "https://api.isic-archive.com/images/1/",
        "http://api.isic-archive.com/api/v2/images/",
        "https://api.isic-archive.com.evil.example/api/v2/",
        "https://zenodo.org/records/1/files/a.csv",
    ):
        assert login.headers(url) == {}
    assert IsicLogin("https://a.example/", " ").headers("https://a.example/x") == {}


class Nights:
    """An archive in which something of every kind may happen each night, and what is in it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.records = RECORDS
        self.private = {*self.random.sample(range(RECORDS), 12)}
        self.labels: dict[str, dict[str, Any]] = {}
        self.broken: set[int] = set()

    def pass_one(self) -> bool:
        """Let a night pass; return whether anything happened."""
        random = self.random
        if random.random() < 0.3:
            return False
        if random.random() < 0.5:
            self.records += random.randrange(1, 40)
        public = [n for n in range(self.records) if n not in self.private]
        if random.random() < 0.5:
            self.private -= {*random.sample(sorted(self.private), min(3, len(self.private)))}
        if random.random() < 0.4:
            self.private |= {*random.sample(public, random.randrange(1, 4))}
        for number in random.sample(public, random.randrange(0, 6)):
            new: dict[str, Any] = random.choice(
                [
                    {"sex": random.choice(["male", "female", None])},
                    {"diagnosis_1": "Malignant", "diagnosis_3": random.choice(["Scar", "Nevus"])},
                    {"anatom_site_special": f"site {random.randrange(9)}"},
                    {"age_approx": random.randrange(0, 18) * 5},
                    {"melanocytic": None},
                ]
            )
            self.labels.setdefault(f"ISIC_{number:07d}", {}).update(new)
        self.broken = {*random.sample(public, 1)} if random.random() < 0.15 else set()
        return True

    def put(self, archive: ReplicaProcess) -> None:
        archive.grow(self.records)
        archive.isic(
            private=isic_ids(*self.private), labels=self.labels, broken=isic_ids(*self.broken)
        )

    def rows(self) -> dict[str, dict[str, str]]:
        """The rows of a first run: what the archive would serve if nothing were broken."""
        world = IsicWorld(frozenset(isic_ids(*self.private)), self.labels)
        archive = IsicArchive(self.records, tiny=True)
        archive.put(world)
        rows = {}
        for number in range(self.records):
            if archive.is_visible(number):
                fields = {"attribution": archive.attribution(number), **archive.fields(number)}
                rows[archive.isic_id(number)] = {n: str(v) for n, v in fields.items()}
        return rows


@pytest.mark.slow
@pytest.mark.soak
def test_after_each_night_out_is_what_a_first_run_would_bring(
    crawl: Crawler, archive: ReplicaProcess
) -> None:
    """With IMGCRAWL_SOAK=1 thirty nights, of which it prints the requests."""
    nights = Nights(seed=7)
    asked: dict[bool, list[int]] = {True: [], False: []}
    for night in range(times(4, 30)):
        happened = night == 0 or nights.pass_one()
        nights.put(archive)
        archive.reset()
        ended = crawl("isic", images="none")
        known = {row.pop("record_id"): row for row in labels(ended).values()}
        lost = {isic_id for isic_id in isic_ids(*nights.broken) if isic_id not in known}
        assert ended.status == (3 if lost else 0), (night, ended.log)
        assert set(ended.out.failures()) == lost
        expected = {n: row for n, row in nights.rows().items() if n not in lost}
        for isic_id in isic_ids(*nights.broken):  # what cannot be served has the labels of before
            expected.pop(isic_id, None)
            known.pop(isic_id, None)
        assert known == expected, night
        gone = {r["record_id"] for r in ended.out.rows() if r.get("withdrawn_at")}
        assert gone <= {*isic_ids(*nights.private)}
        asked[happened].append(api_requests(archive))
    print(f"requests of nights: quiet {asked[False]}, others {asked[True]}")
    # A record that cannot be served is asked for once, and what has nobody, too; pages that were
    # read in parts, since it was new, are read once in the order of time.
    assert all(n <= QUIET + 2 + nights.records // 100 for n in asked[False])
    assert sorted(asked[False])[len(asked[False]) // 2 :][:1] in ([], [QUIET])
    assert min(asked[False], default=QUIET) == QUIET
