"""The commands that make something of a dataset, wherever it lies: a folder, a store, one of many.

A plan's OUT and merged shards have the tables of several, and no ledger of their own.
"""

from __future__ import annotations

import csv
import hashlib
import http.client
import json
import logging
import pickle
import tarfile
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.commands import ScrapyHelpFormatter
from scrapy.exceptions import UsageError
from scrapy.settings import Settings
from scrapy.utils import log
from scrapy.utils.project import get_project_settings

import imgcrawl
from imgcrawl.commands import export
from imgcrawl.commands.serve import Command as Serve
from imgcrawl.dataset.merge import MergeInput, merge_tables
from imgcrawl.gallery.server import GalleryServer
from imgcrawl.records.errors import ArgumentError, OutputError
from tests.exports.conftest import fill, picture
from tests.stores import BUCKET, running_google, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stores import Store

N = 24  # records, in each of two halves N/2
PLACES = [
    *("folder", "shards", "plan", "gs", "gs shards"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("s3", "s3 shards")),
]
READ_ONLY = [
    *("gs", "gs shards"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("s3", "s3 shards")),
]


class Place:
    """A dataset at a place. ids: of its records; those of a plan's two datasets are the same."""

    def __init__(self, room: Path, kind: str, store: Store | None) -> None:
        self.room, self.store = room, store
        self.settings = get_project_settings()
        self.settings.set("SCRATCH_DIR", str(room / "scratch"))
        root = self._made(room / "out", kind.rpartition(" ")[2])
        self.name = str(root)
        if store is not None:
            self.settings.update(store.settings)
            self.name = f"{store.scheme}://{BUCKET}/d"
            for path in root.rglob("*"):
                if path.is_file():
                    store.put(f"d/{path.relative_to(root)}", path.read_bytes())

    @staticmethod
    def _made(root: Path, kind: str) -> Path:
        if kind not in {"shards", "plan"}:
            return fill(root, [record(f"r{n:02}", n) for n in range(N)])
        names = (
            [f"r{n:02}" for n in range(N)]
            if kind == "shards"
            else 2 * [f"r{n:02}" for n in range(N // 2)]
        )
        halves = [[record(name, n) for n, name in enumerate(names)][half::2] for half in (0, 1)]
        if kind == "plan":
            made = [record(name, n) for n, name in enumerate(names)]
            halves = [made[: N // 2], made[N // 2 :]]
        parts = []
        for half, records in zip(("a", "b"), halves, strict=True):
            constant = {"dataset": half} if kind == "plan" else {}
            parts.append(MergeInput(half, fill(root / half, records), constant))
        merge_tables(parts, root)
        for part in parts:
            (part.root / "metadata.csv").rename(part.root / ".metadata.csv")
        return root

    def run(self, name: str, *words: object) -> int | None:
        """Run a command here, and return its exit status."""
        command = import_module(f"imgcrawl.commands.{name}").Command()
        command.settings = self.settings
        from argparse import ArgumentParser

        parser = ArgumentParser(formatter_class=ScrapyHelpFormatter, conflict_handler="resolve")
        command.add_options(parser)
        opts, args = parser.parse_known_args([str(word) for word in words])
        try:
            command.run(args, opts)
        finally:
            log._uninstall_scrapy_root_handler()
            logging.root.setLevel(logging.WARNING)
        return int(command.exitcode)

    def rows(self) -> list[dict[str, str]]:
        return [*csv.DictReader(self.read("metadata.csv").decode().splitlines())]

    def read(self, name: str) -> bytes:
        if self.store is None:
            return Path(self.name, name).read_bytes()
        return self.store.objects(f"d/{name}")[""].data


def record(name: str, n: int) -> tuple[str, dict[str, Any], bytes]:
    return name, {"label": "ab"[n % 2], "patient": f"p{n // 3}", "age": n}, picture(n)


@contextmanager
def at(kind: str, room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    scheme = kind.partition(" ")[0]
    if scheme not in {"s3", "gs"}:
        yield Place(room, kind, None)
        return
    for chatty in ("botocore", "boto3", "s3transfer", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.INFO)
    with running_s3() if scheme == "s3" else running_google() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        yield Place(room, kind, store)


@pytest.fixture(params=PLACES)
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    with at(request.param, tmp_path, monkeypatch) as made:
        yield made


def test_every_command_works_on_it(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    rows = place.rows()
    sums = {row["file_name"]: row["sha256"] for row in rows}
    assert len(sums) == N

    assert place.run("split", place.name, "--group", "patient", "--stratify", "label") == 0
    splits: dict[str, str] = {}
    for line in csv.DictReader(place.read("splits.csv").decode().splitlines()):
        assert splits.setdefault(line["record_id"], line["split"]) == line["split"]
    assert splits.keys() == {row["record_id"] for row in rows}
    by_patient = {(row["patient"], splits[row["record_id"]]) for row in rows}
    assert len(by_patient) == len({patient for patient, _ in by_patient})
    assert place.run("split", place.name, "--group", "patient", "--stratify", "label") == 0
    assert f"{N} records keep the split that they had" in capsys.readouterr().out

    assert place.run("report", place.name, "--pages") == 0
    assert f"{N} records, {N} pictures shown" in capsys.readouterr().out
    assert place.read("report.html").count(b"<img ") >= N
    assert place.read("report-pages/00001.html").count(b"<img ") == N

    dest = place.room / "web"
    words = ("--to", "webdataset", "--dest", dest, "--split", "splits.csv")
    assert place.run("export", place.name, *words) == 0, capsys.readouterr().err
    found = {}
    for tar in dest.glob("*.tar"):
        with tarfile.open(tar) as opened:
            names = opened.getnames()
            assert len(names) == len(set(names))
            for name in names:
                body = opened.extractfile(name)
                assert body is not None
                if name.endswith(".json"):
                    columns = json.loads(body.read())
                    picture = opened.extractfile(name.replace(".json", ".jpg"))
                    assert picture is not None
                    data = picture.read()
                    found[columns["file_name"]] = hashlib.sha256(data).hexdigest()
                    assert splits[columns["record_id"]] == tar.name.partition("-")[0]
                    assert isinstance(columns["age"], int)
    assert found == sums

    assert place.run("lock", place.name) == 0
    locked = json.loads(place.read("dataset.lock.json"))["records"]
    assert {each["path"]: each["sha256"] for each in locked} == sums
    assert len({each["id"] for each in locked}) == N

    capsys.readouterr()
    before = place.room / "before.json"
    before.write_bytes(place.read("dataset.lock.json"))
    assert place.run("diff", before, place.name) == 0
    assert capsys.readouterr().out.split()[:2] == ["same", str(N)]
    assert place.read("diff.csv").strip() == b"record_id,change,column,before,after"
    assert place.run("diff", place.name, f"{place.name}/") == 0
    assert capsys.readouterr().out.split()[:2] == ["same", str(N)]
    # Nothing that was stored has changed, and no lock or copy is left behind.
    assert place.rows() == rows
    there = place.store.objects("d/") if place.store else map(str, Path(place.name).iterdir())
    assert not [name for name in there if name.endswith((".lock", ".partial"))]


def test_a_program_reads_it(place: Place) -> None:
    dataset = imgcrawl.open(place.name, settings=dict(place.settings))
    rows = list(dataset)
    assert (len(dataset), len(rows)) == (N, N)
    assert dataset.to_arrow().to_pylist() == rows
    assert sorted(row["age"] for row in rows) == [*range(N)]
    for row in rows:
        with dataset.open_file(row) as file:
            assert hashlib.sha256(file.read()).hexdigest() == row["sha256"]
    pairs = dataset.to_torch(transform=lambda p: p.size, label="label")
    assert (len(pairs), pairs.classes) == (N, ["a", "b"])
    there = pickle.loads(pickle.dumps(dataset.to_torch()))  # as a DataLoader's processes have it
    assert there[0][0].size == pairs[0][0]
    assert dataset.verify() == []
    gone, changed = rows[3], rows[7]
    if place.store is None:
        dataset.path(gone).unlink()
        dataset.path(changed).write_bytes(b"x")
        assert len(dataset.to_huggingface()) == N
    else:
        place.store.delete(f"d/{gone['file_name']}")
        place.store.put(f"d/{changed['file_name']}", b"x")
        with pytest.raises(OutputError, match="open_file"):
            dataset.path(gone)
        with pytest.raises(OutputError, match="scrapy export"):
            dataset.to_huggingface()
    assert [problem for _, _, problem in dataset.verify()] == ["missing", "sha256"]
    with pytest.raises(OutputError, match=r"scrapy split .*d|scrapy split .*out"):
        dataset.to_torch(split="train")


def test_it_is_browsed(place: Place) -> None:
    command = Serve()
    command.settings = place.settings
    (shown,) = command._outs(place.name)
    with GalleryServer([shown]) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            assert answer(server, "/api/outs")[0]["name"] == place.name
            assert answer(server, "/api/columns?out=0")["total"] == N
            found = answer(server, "/api/rows?out=0&column=label&value=a&count=99")
            assert found["total"] == N // 2
            for row in found["rows"]:
                assert answer(server, f"/picture?out=0&n={row['n']}")[:2] == b"\xff\xd8"
            if place.store is not None:
                place.store.put(f"d/{place.rows()[0]['file_name']}", b"no picture")
                assert answer(server, "/picture?out=0&n=1") == b""
                assert answer(server, "/api/columns?out=0&anew=1")["total"] == N
        finally:
            server.shutdown()
            thread.join()


def answer(server: GalleryServer, path: str) -> Any:
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)) as client:
        client.request("GET", path)
        response = client.getresponse()
        body = response.read()
        assert response.status in {200, 204}, body
        return json.loads(body) if "json" in response.headers["Content-Type"] else body


def everything_but_writing(place: Place, made: Path) -> None:
    """Do all that needs not write into a place, and have a reason for what has to."""
    for name, *words in (
        ("report", "--into", made),
        ("split", "--into", made),
        ("lock", "--into", made),
        ("export", "--to", "parquet", "--dest", made / "parquet"),
        ("export", "--to", "coco", "--dest", made / "coco", "--split", made / "splits.csv"),
    ):
        assert place.run(name, place.name, *words) == 0, name
    assert place.run("diff", made / "dataset.lock.json", place.name, "--csv", made / "d.csv") == 0
    assert len(json.loads((made / "dataset.lock.json").read_bytes())["records"]) == N
    assert imgcrawl.open(place.name, settings=dict(place.settings)).verify() == []


@pytest.mark.parametrize("kind", READ_ONLY)
def test_an_account_that_may_only_read_can_do_all_but_write(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with at(kind, tmp_path, monkeypatch) as place:
        store = place.store
        assert store is not None
        before = store.objects("d/")
        for denied in ("PUT", "POST", "DELETE"):
            store.refused.append(denied)
        everything_but_writing(place, tmp_path / "made")
        is_one = kind in {"s3", "gs"}
        if is_one:
            assert place.run("verify", place.name, "--into", tmp_path / "made") == 0
        capsys.readouterr()
        for name, made, *words in (
            ("report", "report.html", place.name),
            ("split", "splits.csv", place.name),
            ("lock", "dataset.lock.json", place.name),
            ("diff", "diff.csv", tmp_path / "made/dataset.lock.json", place.name),
            *([("rebuild", "metadata.csv", place.name)] if is_one else ()),
        ):
            assert place.run(name, *words) == 2, name
            lines = capsys.readouterr().err.splitlines()  # the emulator's own among them
            (said,) = (line for line in lines if line.startswith(f"scrapy {name}: "))
            assert f"{made} cannot be written into {place.name} ({place.name}: access is " in said
            assert ": type " in said
        assert store.objects("d/") == before
        if kind == "s3":  # it may not list, either: what is not there is denied as well
            store.may_list[:] = [False]  # type: ignore[attr-defined] # of S3's alone
            everything_but_writing(place, tmp_path / "other")


@pytest.mark.parametrize("kind", [pytest.param("s3", marks=pytest.mark.slow), "gs"])
def test_a_bucket_in_use_is_not_read_half(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--to", "coco", "--dest", tmp_path / "coco")
    with at(kind, tmp_path, monkeypatch) as place:
        store = place.store
        assert store is not None
        store.put("d/.lock", b'{"scratch": "x", "host": "far", "process": 7, "since": "now"}')
        store.refused.extend(["PUT", "POST", "DELETE"])
        assert place.run("export", place.name, *words) == 2
        assert "in use by another run (far, process 7" in capsys.readouterr().err
        store.refused.clear()
        store.delete("d/.lock")
        real, ledger = export.Command.process, store.objects("d/ledger.sqlite")[""].data

        def slow(command: Any, out: Any, storage: Any) -> Any:
            store.put("d/ledger.sqlite", ledger + bytes(4096))  # a crawl began, and went on
            return real(command, out, storage)

        monkeypatch.setattr(export.Command, "process", slow)
        assert place.run("export", place.name, *words) == 2
        assert "was written to while it was read" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["plan", "gs shards"])
def test_what_needs_a_ledger_names_one(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with at(kind, tmp_path, monkeypatch) as place:
        for name in ("verify", "linkrot", "rebuild"):
            assert place.run(name, place.name) == 1
            assert f"Type one of them, such as {place.name}/a\n" in capsys.readouterr().err


@pytest.mark.parametrize("scheme", [pytest.param("s3", marks=pytest.mark.slow), "gs"])
def test_what_is_no_dataset_is_refused_in_words(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with at(scheme, tmp_path, monkeypatch) as place:
        nothing = f"{scheme}://{BUCKET}/nothing"
        for name, *words in (
            ("split", nothing),
            ("report", nothing),
            ("lock", nothing),
            ("export", nothing, "--to", "coco", "--dest", tmp_path / "x"),
            ("diff", place.name, nothing),
        ):
            assert place.run(name, *words) == 2
            said = capsys.readouterr().err
            assert f"{nothing} holds no ledger.sqlite" in said
        with pytest.raises(UsageError, match=r"holds no metadata\.csv"):
            place.run("serve", nothing)
        with pytest.raises(OutputError, match=r"holds no metadata\.csv"):
            imgcrawl.open(nothing, settings=dict(place.settings))
        assert place.store is not None
        assert not place.store.objects("nothing")
    with pytest.raises(ArgumentError, match="is no name of a bucket"):
        imgcrawl.open(f"{scheme}://x", settings=Settings())
