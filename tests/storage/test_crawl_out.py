"""OUT in an object store: the first run, the next one, another machine's, and after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.dataset.history import read_runs
from imgcrawl.dataset.leftovers import scratch_files
from tests.conftest import ROOT, Out, scrapy, until
from tests.stores import BUCKET
from tests.volumes.test_shared_cubes import EM, SEG, precomputed

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Ended
    from tests.stores import S3, Store

PREFIX = "sets/isic/"
MB = 1 << 20


def address(store: Store, prefix: str = PREFIX) -> str:
    return f"{store.scheme}://{BUCKET}/{prefix}"


def options(crawl: Crawler, store: Store, machine: str = "a", **settings: Any) -> dict[str, Any]:
    """Arguments of a crawl into the store from a machine of its own."""
    own = {"SCRATCH_DIR": crawl.tmp_path / machine, "HTTPCACHE_ENABLED": "0"}
    return {"out": address(store), "settings": {**own, **store.settings, **settings}}


def listed(crawl: Crawler, records: list[Any], spider: str, kwargs: dict[str, Any]) -> Ended:
    path = crawl.tmp_path / "list.json"
    path.write_text(json.dumps(records))
    kwargs["settings"] |= {"SPIDER_MODULES": "tests.spiders", "CHECK_FREE_DISK": "0"}
    return crawl(spider, list=path, **kwargs)


def mirrored(crawl: Crawler, store: Store) -> Out:
    """What lies in the store, as a folder."""
    out = Out(crawl.tmp_path / "mirror")
    subprocess.run(["rm", "-rf", str(out.root)], check=True)
    for key, found in store.objects(PREFIX).items():
        path = out.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found.data)
    return out


def pictures_asked(replica: ReplicaProcess) -> list[str]:
    return [path for path in replica.log()["paths"] if path.startswith("/isic-s3/images/")]


COSEM = "s3://janelia-cosem-datasets/jrc_mus-nacc-2/jrc_mus-nacc-2.zarr"
HEMIBRAIN = "precomputed://gs://neuroglancer-janelia-flyem-hemibrain/emdata/raw/jpeg"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spider", "asked", "keys"),
    [
        (
            "zarr",
            {"url": COSEM, "path": "recon-2/em/fibsem-int16", "level": "s2,s3"},
            {
                "jrc_mus-nacc-2.zarr/recon-2/em/fibsem-int16/.zattrs",
                "jrc_mus-nacc-2.zarr/recon-2/em/fibsem-int16/s3/0/0/0",
                "manifests/jrc_mus-nacc-2.zarr/recon-2/em/fibsem-int16/s3.tsv",
            },
        ),
        ("neuroglancer", {"url": HEMIBRAIN, "size": "64", "count": 2}, set()),
    ],
)
def test_folders_arrive_whole_and_another_machine_knows_them(
    crawl: Crawler, replica: ReplicaProcess, s3: S3, spider: str, asked: Any, keys: set[str]
) -> None:
    ended = crawl(spider, **asked, **options(crawl, s3))
    assert ended.status == 0, ended.log
    objects = s3.objects(PREFIX)
    assert keys <= set(objects)
    rows = mirrored(crawl, s3).rows()
    assert len(rows) == 2
    for row in rows:
        inside = [key for key in objects if key.startswith(f"{row['file_name']}/")]
        assert sum(len(objects[key].data) for key in inside) == int(row["bytes"]) > 0
        assert spider == "zarr" or f"{row['file_name']}.crop.json" in objects
    replica.reset()
    again = crawl(spider, **asked, **options(crawl, s3, "b"))
    assert again.status == 0, again.log
    assert "0 new" in again.log
    fetched = [path for path in replica.log()["paths"] if ".shard" in path or path.endswith("/0/0")]
    assert len(fetched) <= len(rows)  # of a copy, how large an object of each level is


def test_a_file_that_two_records_share_arrives_once(crawl: Crawler, s3: S3) -> None:
    for name, voxels, nm in (("em", EM, 4), ("seg", SEG, 8)):
        precomputed(crawl.tmp_path / name, [voxels], nm, "image" if nm == 4 else "segmentation")
    asked: dict[str, Any] = {"url": str(crawl.tmp_path), "layers": "em,seg", "size": 6, "count": 3}
    asked |= {"voxel": "4nm", "format": "hdf5", "label_layers": "seg"}
    ended = crawl("zarr", **asked, **options(crawl, s3))
    assert ended.status == 0, ended.log
    out = mirrored(crawl, s3)
    rows = out.rows()
    assert len(rows) == 6
    files = {row["file_name"] for row in rows}
    assert len(files) == 3
    for row in rows:
        body = (out.root / row["file_name"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == row["sha256"]
        assert (out.root / f"{row['file_name']}.crop.json").is_file()
    again = crawl("zarr", **asked, **options(crawl, s3, "b"))
    assert again.status == 0, again.log
    assert "0 new" in again.log


def test_a_run_and_the_next_ones(crawl: Crawler, replica: ReplicaProcess, store: Store) -> None:
    asked: dict[str, Any] = {"num_images": 24, "sizes": "16", "descriptions": 1}
    ended = crawl("isic", **asked, **options(crawl, store))
    assert ended.status == 0, ended.log
    assert f"Files and metadata.csv are in {address(store).rstrip('/')}\n" in ended.log
    out = mirrored(crawl, store)
    out.verify()
    assert len(out.rows()) == 24
    assert not out.failures()
    assert out.summary()["exit_status"] == 0
    objects = store.objects(PREFIX)
    assert ".lock" not in objects
    assert {"ledger.sqlite", "attribution.txt", "summary.json"} <= set(objects)
    for row in out.rows():
        name = row["file_name"]
        assert objects[name].content_type == f"image/{row['format'].lower()}"
        stem = name.rpartition(".")[0]
        assert [key for key in objects if key.startswith(f"sizes/16/{stem}.")]
    kinds = {key.rpartition(".")[2]: found.content_type for key, found in objects.items()}
    assert kinds["csv"].startswith("text/csv")  # the emulator loses the charset
    assert kinds["json"] == "application/json"
    # What passes through leaves nothing behind.
    assert not [*(crawl.tmp_path / "a").rglob("*.jpg")]

    for machine in ("a", "b"):
        replica.reset()
        store.requests.clear()
        ended = crawl("isic", num_images=24, descriptions=1, **options(crawl, store, machine))
        assert ended.status == 0, ended.log
        assert not pictures_asked(replica)
        assert len(store.requests) < 30  # of 72 objects
        assert len(mirrored(crawl, store).rows()) == 24
    runs = read_runs(mirrored(crawl, store).root)
    assert [run.new for run in runs] == [24, 0, 0]  # of two machines
    told = scrapy(
        *("status", "--history", "--json", address(store)),
        *(word for n, v in store.settings.items() for word in ("-s", f"{n}={v}")),
        env={**os.environ, **store.environment},
    )
    assert [run["new"] for run in json.loads(told.stdout)[0]["runs"]] == [24, 0, 0], told.stderr

    replica.reset()
    ended = crawl("isic", num_images=24, sizes="16,32", **options(crawl, store))
    assert ended.status == 0, ended.log
    assert not pictures_asked(replica)  # the copies are made of what the store has
    assert sum(key.startswith("sizes/32/") for key in store.objects(PREFIX)) == 24
    assert not [*(crawl.tmp_path / "a").rglob("*.jpg")]

    name = out.rows()[7]["file_name"]
    store.delete(f"{PREFIX}{name}")
    replica.reset()
    ended = crawl("isic", num_images=24, **options(crawl, store))
    assert ended.status == 0, ended.log
    assert len(pictures_asked(replica)) == 1
    mirrored(crawl, store).verify()


# The scratch folder is there still; another machine has what was put last, or no ledger at all.
@pytest.mark.parametrize(
    ("machine", "checkpoint"),
    [
        pytest.param("a", "1000", marks=pytest.mark.slow),
        ("b", "0.2"),
        pytest.param("b", "1000", marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed(
    machine: str, checkpoint: str, crawl: Crawler, replica: ReplicaProcess, store: Store
) -> None:
    kwargs = options(crawl, store, STORE_CHECKPOINT=checkpoint)
    process = crawl.start("isic", num_images=72, **kwargs)
    until(lambda: store.keys(f"{PREFIX}images/"))
    replica.until_asked("/isic-s3/images/", 30)
    process.send_signal(signal.SIGKILL)
    log = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, log
    there = {key for key in store.objects(PREFIX) if key.startswith("images/")}
    assert there
    if machine == "b":
        ended = crawl("isic", num_images=72, **options(crawl, store, machine))
        assert ended.status == 1
        assert "is in use by another run" in ended.log
        time.sleep(1.5)
    replica.reset()
    kwargs = options(crawl, store, machine, STORE_LOCK_STALE="1" if machine == "b" else "180")
    ended = crawl("isic", num_images=72, **kwargs)
    assert ended.status == 0, ended.log
    out = mirrored(crawl, store)
    out.verify()
    rows = out.rows()
    assert len({row["record_id"] for row in rows}) == len(rows) == 72
    assert [run.status for run in read_runs(out.root)] == ["killed", "all stored"]
    # Nothing that was in the store has been asked of its source again.
    assert len(pictures_asked(replica)) <= 72 - len(there)


@pytest.mark.slow
def test_suspended_and_woken_after_another_has_finished(
    crawl: Crawler, replica: ReplicaProcess, s3: S3
) -> None:
    replica.faults([{"match": "^/isic-s3/images/", "kind": "latency", "ms": 100}])
    kwargs = options(crawl, s3, STORE_CHECKPOINT="0.5", STORE_LOCK_STALE="3")
    suspended = crawl.start("isic", num_images=96, **kwargs)
    until(lambda: s3.keys(f"{PREFIX}ledger.sqlite"))
    replica.until_asked("/isic-s3/images/", 24)
    suspended.send_signal(signal.SIGSTOP)
    replica.faults([])
    time.sleep(3.1)
    ended = crawl("isic", num_images=96, **options(crawl, s3, "b", STORE_LOCK_STALE="3"))
    assert ended.status == 0, ended.log
    held = {key: found.data for key, found in s3.objects(PREFIX).items()}
    suspended.send_signal(signal.SIGCONT)
    log = suspended.communicate(timeout=60)[0]
    assert suspended.returncode == 1, log
    assert "Another run took" in log
    assert {key: found.data for key, found in s3.objects(PREFIX).items()} == held
    out = mirrored(crawl, s3)
    out.verify()
    assert len(out.rows()) == 96


@pytest.mark.slow
def test_files_of_any_size_and_name(crawl: Crawler, replica: ReplicaProcess, store: Store) -> None:
    # The emulator unescapes names twice.
    odd = "data/a b+&%41#ä.bin" if store.scheme == "s3" else "data/a b+&ä.bin"
    sizes = {odd: 1000, "data/large.bin": 20 * MB + 7, "data/one.bin": 1}
    records = [
        [name, [f"{replica.url}/large/{size}/a.tif"], name, {}] for name, size in sizes.items()
    ]
    ended = listed(crawl, records, "listed_files", options(crawl, store))
    assert ended.status == 0, ended.log
    mirrored(crawl, store).verify()
    found = store.objects(PREFIX)
    assert {len(found[row["file_name"]].data) for row in mirrored(crawl, store).rows()} == {
        *sizes.values()
    }


@pytest.mark.slow
def test_what_is_taken_back_leaves_the_store(
    crawl: Crawler, replica: ReplicaProcess, store: Store
) -> None:
    same = [f"{replica.url}/files/jpeg/1.jpg?n={n}" for n in range(3)]
    records: list[Any] = [["good", [f"{replica.url}/files/jpeg/2.jpg"], "images/good", {}]]
    records += [[f"same{n}", [url], f"images/same{n}", {}] for n, url in enumerate(same)]
    kwargs = options(crawl, store, PLACEHOLDER_REPEATS="3", ITEMS_IN_FLIGHT="1")
    ended = listed(crawl, records, "listed", kwargs)
    assert ended.status == 3, ended.log
    assert [key for key in store.objects(PREFIX) if key.startswith("images/")] == [
        "images/good.jpg"
    ]
    assert set(mirrored(crawl, store).failures()) == {"same0", "same1", "same2"}


@pytest.mark.slow
def test_a_store_that_refuses_stops_the_run(
    crawl: Crawler, replica: ReplicaProcess, s3: S3
) -> None:
    s3.refused.append(f"PUT /{BUCKET}/{PREFIX}images/")
    ended = crawl("isic", num_images=100, **options(crawl, s3))
    assert ended.status == 1
    assert "access is denied" in ended.log
    assert "Traceback" not in ended.log
    assert len(pictures_asked(replica)) < 100
    s3.refused.clear()
    ended = crawl("isic", num_images=100, **options(crawl, s3))
    assert ended.status == 0, ended.log
    mirrored(crawl, s3).verify()


@pytest.mark.slow
def test_tables_that_are_refused_stay_here_and_go_next_time(
    crawl: Crawler, replica: ReplicaProcess, s3: S3
) -> None:
    s3.refused.append(f"PUT /{BUCKET}/{PREFIX}ledger.sqlite")
    ended = crawl("isic", num_images=20, **options(crawl, s3))
    assert ended.status == 1
    assert "kept on this machine" in ended.log
    s3.refused.clear()
    replica.reset()
    ended = crawl("isic", num_images=20, **options(crawl, s3))
    assert ended.status == 0, ended.log
    assert not pictures_asked(replica)
    mirrored(crawl, s3).verify()


@pytest.mark.slow
def test_stopped_politely_another_machine_goes_on(
    crawl: Crawler, replica: ReplicaProcess, s3: S3
) -> None:
    process = crawl.start("isic", num_images=140, **options(crawl, s3))
    replica.until_asked("/isic-s3/images/", 50)
    process.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + signal.SIGTERM, log
    stored = len(mirrored(crawl, s3).rows())
    assert 0 < stored < 140
    replica.reset()
    ended = crawl("isic", num_images=140, **options(crawl, s3, "b"))
    assert ended.status == 0, ended.log
    assert len(pictures_asked(replica)) == 140 - stored
    mirrored(crawl, s3).verify()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("out", "status", "words"),
    [
        ("s3://no-such-bucket/x", 1, "there is no bucket 'no-such-bucket'"),
        ("s3:///x", 2, "such as s3://bucket/prefix"),
        ("s3:/bucket/x", 2, "such as s3://bucket/prefix"),
        ("az://bucket/x", 2, "datasets go to a folder, s3:// or gs://"),
        ("s3://bucket/../x", 2, "is no prefix"),
    ],
)
def test_what_cannot_be_is_said_before_any_request(
    out: str, status: int, words: str, crawl: Crawler, replica: ReplicaProcess, s3: S3
) -> None:
    settings = {"SCRATCH_DIR": crawl.tmp_path / "a"}
    if out == "s3:/bucket/x":
        command = [arg for arg in crawl.command("isic", settings=settings) if "out=" not in arg]
        command = [*command[:-1], "-a", f"out={out}"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert (run.returncode, words in run.stderr) == (status, True), run.stderr
    else:
        ended = crawl("isic", out=out, settings=settings)
        assert ended.status == status, ended.log
        assert words in ended.log
        assert "Traceback" not in ended.log
    assert replica.log()["requests"] == 0


def test_a_dry_run_asks_nothing_of_the_store(
    crawl: Crawler, replica: ReplicaProcess, s3: S3
) -> None:
    ended = crawl("empiar", entry=11759, match="*.dm3", dry_run=1, **options(crawl, s3))
    assert ended.status == 0, ended.log
    assert "would be" in ended.log, ended.log
    assert not s3.requests


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_without_credentials(
    scheme: str, crawl: Crawler, replica: ReplicaProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*os.environ]:
        if name.startswith(("AWS_", "GOOGLE_", "STORAGE_EMULATOR")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(crawl.tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    ended = crawl("isic", out=f"{scheme}://{BUCKET}/x")
    assert ended.status == 1
    assert "there are no credentials for it" in ended.log
    assert "Traceback" not in ended.log
    assert replica.log()["requests"] == 0


@pytest.mark.slow
def test_commands_on_an_address(crawl: Crawler, replica: ReplicaProcess, store: Store) -> None:
    kwargs = options(crawl, store)
    assert crawl("isic", num_images=10, **kwargs).status == 0
    table = store.objects(PREFIX)["metadata.csv"].data
    store.put(f"{PREFIX}metadata.csv", b"spoiled")
    for name, machine in (("rebuild", "a"), ("linkrot", "b")):
        settings = {**kwargs["settings"], "SCRATCH_DIR": crawl.tmp_path / machine}
        given = [f"-s{name}={value}" for name, value in settings.items()]
        done = scrapy(name, address(store), *given)
        assert done.returncode == 0, done.stderr
        assert address(store) in done.stdout
    found = store.objects(PREFIX)
    assert found["metadata.csv"].data == table
    assert "linkrot.csv" in found
    assert ".lock" not in found


@pytest.mark.slow
def test_verify_reads_what_lies_in_the_store(
    crawl: Crawler, replica: ReplicaProcess, store: Store
) -> None:
    kwargs = options(crawl, store)
    assert crawl("isic", num_images=10, **kwargs).status == 0

    def verify(*more: str) -> tuple[int, str]:
        settings = {**kwargs["settings"], "SCRATCH_DIR": crawl.tmp_path / "other"}
        given = [f"-s{name}={value}" for name, value in settings.items()]
        done = scrapy("verify", address(store), *more, *given)
        return done.returncode, done.stdout + done.stderr

    status, said = verify("--sha256sums")
    assert status == 0, said
    assert "All good" in said
    found = store.objects(PREFIX)
    assert found["verify.csv"].data == b"record_id,file_name,problem\r\n"
    assert len(found["SHA256SUMS"].data.splitlines()) == 10
    first, second, third = sorted(key for key in found if key.startswith("images/"))[:3]
    store.put(PREFIX + first, bytes(len(found[first].data)))
    store.put(PREFIX + second, b"cut")
    store.delete(PREFIX + third)
    store.put(f"{PREFIX}images/stranger.jpg", b"mine")
    status, said = verify("--repair")
    assert status == 3, said
    rows = [line.split(",") for line in store.objects(PREFIX)["verify.csv"].data.decode().split()]
    assert [(name, problem) for _, name, problem in rows[1:]] == [
        *((first, "sha256"), (second, "size"), (third, "missing")),
        ("images/stranger.jpg", "extra"),
    ]
    again = crawl("isic", num_images=10, **kwargs)
    assert again.status == 0, again.log
    assert "3 new" in again.log
    store.delete(f"{PREFIX}images/stranger.jpg")
    assert verify()[0] == 0


@pytest.mark.slow
def test_a_scratch_folder_goes_once_the_store_has_all_of_it(crawl: Crawler, s3: S3) -> None:
    ended = crawl("isic", num_images=3, **options(crawl, s3))
    assert ended.status == 0, ended.log
    (scratch,) = (crawl.tmp_path / "a").iterdir()
    words = [w for n, v in s3.settings.items() for w in ("-s", f"{n}={v}")]
    words += ["-s", f"SCRATCH_DIR={crawl.tmp_path / 'a'}"]
    env = {**os.environ, **s3.environment}
    waiting = scratch / "images"
    waiting.mkdir(exist_ok=True)
    (waiting / "a.jpg").write_bytes(b"not uploaded yet")
    refused = scrapy("clean", address(s3), *words, env=env)
    assert refused.returncode == 1
    assert "files wait there" in refused.stderr
    (waiting / "a.jpg").unlink()
    found, why = scratch_files(scratch, "another version")
    assert not found
    assert "ledger" in str(why)
    done = scrapy("clean", address(s3), *words, env=env)
    assert done.returncode == 0, done.stderr
    assert not scratch.exists()
    again = crawl("isic", num_images=3, **options(crawl, s3))
    assert again.status == 0, again.log
    assert "0 new" in again.log
