"""Verbatim copies of chunked stores: whole crawls against the replica's buckets and moto's S3."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore as ts

from imgcrawl.storage.digests import bytes_of
from replicas.stores import COSEM, FORBIDS, GROUP, HEMIBRAIN, JPEG, LABELS, buckets
from tests.conftest import ROOT, until
from tests.soak import times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Ended, Out

LISTED = {"SPIDER_MODULES": "tests.spiders", "RETRY_TIMES": "1", "ALLOW_EMPTY_VOLUMES": "1"}


def copy_all(crawl: Crawler, copies: list[Any], **kwargs: Any) -> Ended:
    settings = LISTED | kwargs.pop("settings", {})
    return crawl("listed_copies", list=list_of(crawl, copies), settings=settings, **kwargs)


def list_of(crawl: Crawler, copies: list[Any]) -> Path:
    path = crawl.tmp_path / "list.json"
    path.write_text(json.dumps(copies))
    return path


def of_s3(replica: ReplicaProcess, key: str, path: str, parts: tuple[str, ...] = ()) -> list[Any]:
    """A copy of a folder of the replica's bucket."""
    return [path, f"s3://{COSEM}/{key}", f"{replica.url}/s3/{COSEM}/{key}/", parts]


def files_below(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def objects_below(site: str, bucket: str, prefix: str) -> dict[str, bytes]:
    held = buckets(site)[bucket].items()
    return {key.removeprefix(prefix): body for key, body in held if key.startswith(prefix)}


def chunk_requests(replica: ReplicaProcess) -> dict[str, int]:
    """Requests of objects that are no documents, and how often each was made."""
    paths = replica.log()["paths"]
    return {path: n for path, n in paths.items() if re.search(r"/s\d/\d+/\d+/\d+$", path)}


def sha256_of_folder(root: Path) -> str:
    """As ``find . -type f | sort | sha256sum`` has it."""
    lines = "".join(
        f"{hashlib.sha256(body).hexdigest()}  {key}\n"
        for key, body in sorted(files_below(root).items())
    )
    return hashlib.sha256(lines.encode()).hexdigest()


def verify(out: Out, row: dict[str, str]) -> None:
    """The row is that of the folder, and the table of the copy says the same of each object."""
    folder = out.root / row["file_name"]
    assert int(row["bytes"]) == bytes_of(folder)
    assert row["sha256"] == sha256_of_folder(folder)
    with (out.root / "manifests" / f"{row['file_name']}.tsv").open(newline="") as file:
        table = {line["key"]: line for line in csv.DictReader(file, delimiter="\t")}
    files = files_below(folder)
    assert set(table) == set(files)
    for key, body in files.items():
        assert table[key]["sha256"] == hashlib.sha256(body).hexdigest()
    assert int(row["objects"]) == len(files)
    assert not (out.root / ".parts").exists()
    assert not (out.root / ".partial").exists()


def test_levels_of_a_pyramid_open_together(crawl: Crawler, replica: ReplicaProcess) -> None:
    import zarr

    # The last parts of the path are those of the source, so that the groups have their place.
    path = "jrc_mus-nacc-2.zarr/recon-2/em/fibsem-int16"
    copies = [of_s3(replica, f"{GROUP}/s{n}", f"{path}/s{n}") for n in (2, 3)]
    ended = copy_all(crawl, copies)
    assert ended.status == 0, ended.log
    rows = {row["record_id"]: row for row in ended.out.rows()}
    for level, voxel in ((2, 4 * 2.96), (3, 8 * 2.96)):
        row = rows[f"{path}/s{level}"]
        verify(ended.out, row)
        key = f"{GROUP}/s{level}/"
        assert files_below(ended.out.root / row["file_name"]) == objects_below("s3", COSEM, key)
        # The voxels are those of its own level, which only the group above tells.
        assert float(row["voxel_z_nm"]) == pytest.approx(voxel)
        assert (row["format"], row["dtype"], row["compression"]) == ("Zarr v2", "int16", "zstd")
        assert (row["size_z"], row["width"]) == (str(96 >> level), str(160 >> level))
    above = ended.out.root / path
    assert (above / ".zattrs").read_bytes() == buckets("s3")[COSEM][f"{GROUP}/.zattrs"]
    for folder in (above, *above.parents):
        if folder == ended.out.root:
            break
        assert (folder / ".zgroup").exists(), folder
    assert not (ended.out.root / ".zgroup").exists()
    opened: Any = zarr.open(str(ended.out.root / "jrc_mus-nacc-2.zarr"), mode="r")
    group = opened["recon-2/em/fibsem-int16"]
    assert group.attrs["multiscales"][0]["datasets"][0]["path"] == "s0"
    assert group["s2"].shape == (24, 40, 40)
    assert int(group["s2"][:].std()) > 100

    replica.reset()
    again = copy_all(crawl, copies)
    assert again.status == 0
    assert again.out.summary()["this_run"]["already_there"] == 2
    assert not [path for path in replica.log()["paths"] if path.startswith("/s3/")]


def test_a_group_with_all_that_is_in_it_and_a_part_of_one(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    copies = [
        of_s3(replica, GROUP, "whole.zarr"),
        of_s3(replica, GROUP, "part.zarr", ("s1/", "s3")),
        of_s3(replica, LABELS, "nuc"),
    ]
    ended = copy_all(crawl, copies)
    assert ended.status == 0, ended.log
    rows = {row["record_id"]: row for row in ended.out.rows()}
    for row in rows.values():
        verify(ended.out, row)
    everything = objects_below("s3", COSEM, f"{GROUP}/")
    assert files_below(ended.out.root / "whole.zarr") == everything
    part = {k: v for k, v in everything.items() if k.startswith((".z", "s1/", "s3/"))}
    assert files_below(ended.out.root / "part.zarr") == part
    assert (rows["whole.zarr"]["format"], rows["whole.zarr"]["levels"]) == ("OME-Zarr", "4")
    assert rows["whole.zarr"]["voxel_z_nm"] == "2.96"
    # A list says what is there: chunks of zeros are not.
    assert files_below(ended.out.root / "nuc") == objects_below("s3", COSEM, f"{LABELS}/")


@pytest.mark.slow
def test_a_precomputed_volume(crawl: Crawler, replica: ReplicaProcess) -> None:
    shown = f"gs://{HEMIBRAIN}/{JPEG}"
    ended = copy_all(crawl, [["hemi", shown, f"{replica.url}/gcs/{HEMIBRAIN}/{JPEG}/", ()]])
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    verify(ended.out, row)
    assert files_below(ended.out.root / "hemi") == objects_below("gcs", HEMIBRAIN, f"{JPEG}/")
    assert (row["format"], row["voxel_x_nm"], row["width"]) == ("precomputed", "8.0", "256")


@pytest.mark.slow
def test_a_whole_store_is_copied_when_asked_for(crawl: Crawler, replica: ReplicaProcess) -> None:
    store = GROUP.partition(".zarr/")[0] + ".zarr"
    unasked = crawl("zarr", url=f"s3://{COSEM}/{store}")
    assert unasked.status == 1
    assert "-a path=recon-2/em/fibsem-int16\n" in unasked.log
    assert "whatever its size:\n  -a level=all" in unasked.log
    ended = crawl("zarr", url=f"s3://{COSEM}/{store}", level="all")
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    verify(ended.out, row)
    assert files_below(ended.out.root / "jrc_mus-nacc-2.zarr") == objects_below(
        "s3", COSEM, f"{store}/"
    )
    replica.reset()
    again = crawl("zarr", url=f"s3://{COSEM}/{store}", level="all")
    assert again.status == 0
    assert "1 already there" in again.log
    cube = crawl("zarr", url=f"s3://{COSEM}/{store}", level="all", box="0:9nm,0:9nm,0:9nm")
    assert cube.status == 1
    assert "holds pictures in folders of it" in cube.log
    assert "whatever its size" not in cube.log


def test_each_level_has_its_columns(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("zarr", url=f"gs://{HEMIBRAIN}/{JPEG}", level="16_16_16")
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    verify(ended.out, row)
    assert (row["format"], row["dtype"], row["compression"]) == ("precomputed", "uint8", "jpeg")
    assert (row["size_z"], row["size_x"], row["width"]) == ("128", "128", "128")
    assert (row["voxel_z_nm"], row["voxel_x_nm"], row["conflicts"]) == ("16.0", "16.0", "")
    assert row["voxel_x_from"] == "volume: precomputed"


def test_levels_of_n5_have_the_sizes_that_the_group_tells(crawl: Crawler, tmp_path: Path) -> None:
    group = tmp_path / "a.n5" / "c0"
    for number, side in enumerate((40, 20)):
        about = {"dimensions": [side] * 3, "blockSize": [20] * 3, "dataType": "uint8"}
        spec = {
            "driver": "n5",
            "kvstore": {"driver": "file", "path": f"{group}/s{number}/"},
            "metadata": about | {"compression": {"type": "gzip"}},
        }
        ts.open(spec, create=True).result().write(np.ones([side] * 3, np.uint8)).result()
    pixel = {"unit": "nm", "dimensions": [4, 5, 6]}
    told = {"pixelResolution": pixel, "downsamplingFactors": [[1, 1, 1], [2, 2, 2]]}
    (group / "attributes.json").write_text(json.dumps(told))
    ended = crawl("zarr", url=str(tmp_path / "a.n5"), path="c0")
    assert ended.status == 0, ended.log
    found = {
        row["record_id"]: (row["format"], row["voxel_z_nm"], row["voxel_y_nm"], row["voxel_x_nm"])
        for row in ended.out.rows()
    }
    assert found == {
        "a.n5/c0/s0": ("N5", "6.0", "5.0", "4.0"),
        "a.n5/c0/s1": ("N5", "12.0", "10.0", "8.0"),
    }


@pytest.mark.parametrize("lists", [False, True])
def test_a_server_that_lists_nothing(
    crawl: Crawler, replica: ReplicaProcess, *, lists: bool
) -> None:
    """The keys are those that the documents promise; 403 is absence where it is always so."""
    bucket, key = (COSEM, LABELS) if lists else (FORBIDS, "small.zarr")
    if lists:
        replica.faults([{"match": f"/s3/{COSEM}/$", "kind": "status", "status": 403}])
    copy = ["x.zarr", f"s3://{bucket}/{key}", f"{replica.url}/s3/{bucket}/{key}/", ()]
    ended = copy_all(crawl, [copy])
    assert ended.status == 0, ended.log
    assert "does not list its objects" in ended.log
    (row,) = ended.out.rows()
    verify(ended.out, row)
    assert files_below(ended.out.root / "x.zarr") == objects_below("s3", bucket, f"{key}/")
    assert row["objects_absent"] == ("20" if lists else "3")


def test_a_plain_server_forbids_one_chunk(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults(
        [
            {"match": f"/s3/{COSEM}/$", "kind": "status", "status": 403},
            {"match": "nuc/s0/0/0/0$", "kind": "status", "status": 403},
        ]
    )
    ended = copy_all(crawl, [of_s3(replica, LABELS, "nuc")])
    assert ended.status == 3
    (row,) = ended.out.rows("failures.csv")
    assert row["reason"] == "forbidden"
    assert "1 forbidden; first: 's0/0/0/0'" in row["message"]


def test_nothing_there(crawl: Crawler, replica: ReplicaProcess) -> None:
    private = ["p", "s3://private-data/a", f"{replica.url}/s3/private-data/a/", ()]
    ended = copy_all(crawl, [of_s3(replica, "no/such", "a"), private])
    assert ended.status == 3, ended.log
    rows = {row["record_id"]: row for row in ended.out.rows("failures.csv")}
    assert rows["a"]["reason"] == "not_found"
    assert f"there is nothing below s3://{COSEM}/no/such" in rows["a"]["message"]
    assert rows["p"]["reason"] == "forbidden"
    assert "its list is refused: HTTP 403" in rows["p"]["message"]


# An array, what becomes of its first chunk, and what is said of it.
FAULTS: list[tuple[str, dict[str, Any], str, str]] = [
    (f"{GROUP}/s0", {"kind": "status", "status": 404}, "not_found", "1 of 20 objects: 1 not_found"),
    (f"{GROUP}/s1", {"kind": "status", "status": 503}, "server_error", "1 server_error"),
    (f"{GROUP}/s2", {"kind": "truncated"}, "truncated", "bytes came, and its list says"),
    (f"{GROUP}/s3", {"kind": "cut"}, "truncated", "1 truncated"),
    (f"{LABELS}/s0", {"kind": "html"}, "truncated", "1 truncated"),
    (f"{LABELS}/s1", {"kind": "corrupt"}, "corrupt", "its MD5 is"),
]


@pytest.mark.slow
def test_objects_that_fail_are_all_that_the_next_run_asks_for(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    chunks = [f"/s3/{COSEM}/{key}/0/0/0" for key, *_ in FAULTS]
    rules = [fault | {"match": f"{key}/0/0/0$"} for key, fault, *_ in FAULTS]
    replica.faults(rules)
    copies = [of_s3(replica, key, f"a{n}") for n, (key, *_) in enumerate(FAULTS)]
    ended = copy_all(crawl, copies)
    assert ended.status == 3, ended.log
    rows = {row["record_id"]: row for row in ended.out.rows("failures.csv")}
    for n, (key, _, reason, words) in enumerate(FAULTS):
        row = rows[f"a{n}"]
        assert row["reason"] == reason, row
        assert words in row["message"], row
        assert "'0/0/0'" in row["message"]
        folder = ended.out.root / f"a{n}"
        assert not (folder / "0/0/0").exists()
        wanted = objects_below("s3", COSEM, f"{key}/")
        assert files_below(folder) == {k: v for k, v in wanted.items() if k != "0/0/0"}
    replica.faults([])
    replica.reset()
    again = copy_all(crawl, copies, retry="all")
    assert again.status == 0, again.log
    assert chunk_requests(replica) == dict.fromkeys(chunks, 1)
    for row in again.out.rows():
        verify(again.out, row)
        key = FAULTS[int(row["record_id"][1:])][0]
        assert files_below(again.out.root / row["file_name"]) == objects_below(
            "s3", COSEM, f"{key}/"
        )


def test_bursts_of_errors_pass(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults(
        [
            {"match": "s0/", "kind": "status", "status": 500, "times": 1, "share": 0.7},
            {"match": "/s3/.*/$", "kind": "status", "status": 503, "times": 1},
            {"match": "s0/0/0/1", "kind": "truncated", "times": 2},
            {"match": "s0/0/1/.$", "kind": "header", "name": "ETag", "value": '"something"'},
        ]
    )
    ended = copy_all(crawl, [of_s3(replica, f"{GROUP}/s0", "s0")], settings={"RETRY_TIMES": "3"})
    assert ended.status == 0, ended.log
    verify(ended.out, ended.out.rows()[0])


def test_etags_that_are_no_md5(crawl: Crawler, replica: ReplicaProcess) -> None:
    """As those of objects that the store encrypts: 32 hexadecimal digits, and not their MD5."""
    with urllib.request.urlopen(f"{replica.url}/s3/{COSEM}/?list-type=2&prefix={GROUP}/s2/") as got:
        body = got.read().decode()
    listing = re.sub(r'<ETag>"[^"]*"', '<ETag>"0123456789abcdef0123456789abcdef"', body)
    tag = '"0123456789abcdef0123456789abcdef"'
    replica.faults(
        [
            {"match": f"/s3/{COSEM}/$", "kind": "text", "body": listing},
            {"match": "/s2/", "kind": "header", "name": "ETag", "value": tag},
        ]
    )
    copies = [of_s3(replica, f"{GROUP}/s2", "s2")]
    ended = copy_all(crawl, copies)
    assert ended.status == 0, ended.log
    verify(ended.out, ended.out.rows()[0])
    assert sum(chunk_requests(replica).values()) <= 2 * len(chunk_requests(replica))


def _listing(keys: list[tuple[str, int]], token: str = "") -> str:
    contents = "".join(
        f'<Contents><Key>{key}</Key><Size>{size}</Size><ETag>"x-1"</ETag></Contents>'
        for key, size in keys
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    truncated = "true" if token else "false"
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<IsTruncated>{truncated}</IsTruncated>{contents}{more}</ListBucketResult>"
    )


def test_a_list_that_turns_in_circles_ends(crawl: Crawler, replica: ReplicaProcess) -> None:
    body = _listing([(f"{GROUP}/s3/.zarray", 10), (f"{GROUP}/s3/0/0/0", 10)], "again")
    replica.faults([{"match": f"/s3/{COSEM}/$", "kind": "text", "body": body}])
    ended = copy_all(crawl, [of_s3(replica, f"{GROUP}/s3", "s3")])
    assert ended.status == 3
    (row,) = ended.out.rows("failures.csv")
    assert "of at least" in row["message"]
    assert "turns in circles" in row["message"] or row["reason"] == "truncated"
    assert replica.log()["paths"][f"/s3/{COSEM}/"] == 2


def test_a_list_that_is_cut_is_none(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"match": f"/s3/{COSEM}/$", "kind": "short"}])
    ended = copy_all(crawl, [of_s3(replica, f"{GROUP}/s3", "s3")])
    assert ended.status == 3
    assert ended.out.failures() == {"s3": "truncated"}


HOSTILE = [
    "../../escaped", "/etc/escaped", "a/../../escaped", "a//b", "./c", "back\\slash", "x" * 300,
    "0/0/0/deeper", "0/0/0/DEEPER", "0/0/1", "0/0", "bell\a",
]  # fmt: skip


def test_hostile_keys_stay_inside(crawl: Crawler, replica: ReplicaProcess) -> None:
    prefix = f"{GROUP}/s0/"
    sizes = {key: len(body) for key, body in objects_below("s3", COSEM, prefix).items()}
    keys = sorted([(prefix + key, size) for key, size in sizes.items()])
    keys += sorted((prefix + key, 5) for key in HOSTILE)
    body = _listing([*keys, ("elsewhere/secret", 5), (f"{prefix}0/0/0", sizes["0/0/0"])])
    replica.faults(
        [{"match": f"/s3/{COSEM}/$", "kind": "text", "body": body.replace("\a", "&#7;")}]
    )
    before = set(crawl.tmp_path.rglob("*"))
    ended = copy_all(crawl, [of_s3(replica, f"{GROUP}/s0", "deep/er/s0")])
    assert ended.status == 3, ended.log
    (row,) = ended.out.rows("failures.csv")
    assert "bad_url" in row["message"]
    folder = ended.out.root / "deep/er/s0"
    assert files_below(folder) == objects_below("s3", COSEM, prefix)
    news = set(crawl.tmp_path.rglob("*")) - before
    assert not [path for path in news if "escaped" in path.name or "secret" in path.name]
    assert not list(Path("/etc").glob("escaped*"))


@pytest.mark.slow
def test_a_kill_and_a_stop_cost_nothing(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"match": "/s0/", "kind": "latency", "ms": 150}])
    copies = [of_s3(replica, f"{GROUP}/s0", "s0"), of_s3(replica, f"{GROUP}/s1", "s1")]
    path = list_of(crawl, copies)
    slow = LISTED | {"VOLUME_CONNECTIONS": "1"}
    for signum in (signal.SIGKILL, signal.SIGTERM):
        started = crawl.start("listed_copies", list=path, settings=slow)
        folder, limit = crawl.tmp_path / "out/s0", time.monotonic() + 60
        before = len(files_below(folder)) if folder.exists() else 0
        while time.monotonic() < limit and started.poll() is None:
            if folder.exists() and len(files_below(folder)) >= before + 5:
                break
            time.sleep(0.02)
        started.send_signal(signum)
        log, _ = started.communicate(timeout=60)
        assert started.returncode == (-9 if signum == signal.SIGKILL else 143), log
    assert crawl.out().failures().get("s0") == "interrupted"
    there = len(files_below(crawl.tmp_path / "out/s0"))
    assert 8 <= there < len(objects_below("s3", COSEM, f"{GROUP}/s0/"))
    ended = copy_all(crawl, copies)
    assert ended.status == 0, ended.log
    for row in ended.out.rows():
        verify(ended.out, row)
    assert files_below(ended.out.root / "s0") == objects_below("s3", COSEM, f"{GROUP}/s0/")
    # What was under way when it was killed is asked for again, and nothing else.
    requests = chunk_requests(replica)
    assert sum(n - 1 for n in requests.values()) <= 4, requests


def test_a_folder_of_this_machine(crawl: Crawler, tmp_path: Path) -> None:
    source = tmp_path / "source dir/a.zarr"
    for key, body in objects_below("s3", COSEM, f"{GROUP}/").items():
        (source / key).parent.mkdir(parents=True, exist_ok=True)
        (source / key).write_bytes(body)
    url = source.as_uri() + "/"
    copies = [
        ["a.zarr/s1", str(source / "s1"), f"{url}s1/", ()],
        ["b.zarr", str(source), url, ["s2"]],
    ]
    ended = copy_all(crawl, copies)
    assert ended.status == 0, ended.log
    for row in ended.out.rows():
        verify(ended.out, row)
    assert (ended.out.root / "a.zarr/.zattrs").read_bytes() == (source / ".zattrs").read_bytes()
    assert files_below(ended.out.root / "a.zarr/s1") == files_below(source / "s1")
    assert files_below(ended.out.root / "b.zarr/s2") == files_below(source / "s2")


# --- other people's servers and other people's files ---------------------------------------------


class Bucket:
    """A public bucket of moto's S3."""

    def __init__(self, endpoint: str) -> None:
        import boto3

        self.endpoint = endpoint
        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.client.create_bucket(Bucket="volumes", ACL="public-read")

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket="volumes", Key=key, Body=body, ACL="public-read")

    def put_folder(self, folder: Path, key: str) -> None:
        for name, body in files_below(folder).items():
            self.put(f"{key}/{name}", body)

    def copy(self, key: str, path: str, parts: tuple[str, ...] = ()) -> list[Any]:
        return [path, f"s3://volumes/{key}", f"{self.endpoint}/volumes/{key}/", parts]


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        made = Bucket(f"http://{host}:{port}")
        yield made
        for listed in made.client.list_objects_v2(Bucket="volumes").get("Contents", []):
            made.client.delete_object(Bucket="volumes", Key=listed["Key"])
        made.client.delete_bucket(Bucket="volumes")
    finally:
        server.stop()


def _write(root: Path, kind: str) -> Any:
    """A small array of a kind, with attributes; its voxels."""
    import numpy as np
    import zarr

    data = np.random.default_rng(7).integers(1, 60_000, (40, 50, 60)).astype("uint16")
    if kind == "n5":
        import tensorstore as ts

        about = {
            "dimensions": [60, 50, 40], "blockSize": [32, 32, 32], "dataType": "uint16",
            "compression": {"type": "gzip"}, "axes": ["x", "y", "z"], "units": ["nm"] * 3,
            "resolution": [4.0, 4.0, 2.96],
        }  # fmt: skip
        place = {"driver": "file", "path": f"{root}/a/"}
        spec = {"driver": "n5", "kvstore": place, "metadata": about, "create": True}
        ts.open(spec).result().write(data.transpose()).result()
        return data
    group = zarr.open_group(str(root), mode="w", zarr_format=2 if kind == "v2" else 3)
    group.attrs["title"] = "tissue"
    more: dict[str, Any] = {"shards": (32, 64, 64)} if kind == "v3 sharded" else {}
    chunks = (16, 32, 32)
    array = group.create_array("a", shape=data.shape, chunks=chunks, dtype="uint16", **more)
    array[:] = data
    array.attrs["unit"] = "nm"
    return data


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["v2", "v3", "v3 sharded", "n5"])
def test_what_other_tools_wrote_on_a_real_s3(
    kind: str, crawl: Crawler, bucket: Bucket, tmp_path: Path
) -> None:
    import numpy as np
    import zarr

    data = _write(tmp_path / "made", kind)
    bucket.put_folder(tmp_path / "made", "deep/v.zarr")
    ended = copy_all(crawl, [bucket.copy("deep/v.zarr", "v.zarr")])
    assert ended.status == 0, ended.log
    verify(ended.out, ended.out.rows()[0])
    copied = ended.out.root / "v.zarr"
    assert files_below(copied) == files_below(tmp_path / "made")
    one = copy_all(crawl, [bucket.copy("deep/v.zarr/a", "v.zarr/a")], out="one")
    assert one.status == 0, one.log
    (row,) = one.out.rows()
    verify(one.out, row)
    assert (row["size_z"], row["size_x"], row["dtype"]) == ("40", "60", "uint16")
    if kind == "n5":
        import tensorstore as ts

        place = {"driver": "file", "path": f"{copied}/a/"}
        opened = ts.open({"driver": "n5", "kvstore": place}).result()
        assert np.array_equal(opened.read().result().transpose(), data)
        assert row["voxel_z_nm"] == "2.96"
    else:
        for root in (copied, one.out.root / "v.zarr"):
            group: Any = zarr.open_group(str(root), mode="r")
            assert group.attrs["title"] == "tissue"
            assert group["a"].attrs["unit"] == "nm"
            assert np.array_equal(group["a"][:], data)


def test_what_changes_at_the_source_is_fetched_again(crawl: Crawler, bucket: Bucket) -> None:
    """Between two runs of which the first was not complete: one changed, one went, one came."""
    document = json.dumps(
        {"zarr_format": 2, "shape": [8], "chunks": [1], "dtype": "|u1", "order": "C",
         "compressor": None, "filters": None, "fill_value": 0}
    ).encode()  # fmt: skip
    bucket.put("v/.zarray", document)
    for n in range(5):
        bucket.put(f"v/{n}", b"a")
    bucket.put("v/4\\x", b"refused")
    copies = [bucket.copy("v", "v")]
    first = copy_all(crawl, copies)
    assert first.status == 3, first.log
    assert set(files_below(first.out.root / "v")) == {".zarray", *"01234"}
    bucket.put("v/1", b"b")  # as long as before
    bucket.client.delete_object(Bucket="volumes", Key="v/2")
    bucket.client.delete_object(Bucket="volumes", Key="v/4\\x")
    bucket.put("v/7", b"c")
    again = copy_all(crawl, copies, retry="all")
    assert again.status == 0, again.log
    assert files_below(again.out.root / "v") == {
        ".zarray": document, "0": b"a", "1": b"b", "3": b"a", "4": b"a", "7": b"c",
    }  # fmt: skip
    verify(again.out, again.out.rows()[0])


def test_a_file_lost_from_the_copy_is_fetched_alone(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    copies = [of_s3(replica, f"{GROUP}/s1", "s1")]
    assert copy_all(crawl, copies).status == 0
    (crawl.tmp_path / "out/s1/0/0/0").unlink()
    replica.reset()
    again = copy_all(crawl, copies)
    assert again.status == 0, again.log
    assert list(chunk_requests(replica)) == [f"/s3/{COSEM}/{GROUP}/s1/0/0/0"]
    verify(again.out, again.out.rows()[0])


def test_objects_go_into_a_store_as_they_come(
    crawl: Crawler, replica: ReplicaProcess, bucket: Bucket
) -> None:
    settings = {
        "FILES_STORE": "s3://volumes/out/",
        "AWS_ENDPOINT_URL": bucket.endpoint,
        "AWS_REGION_NAME": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    ended = copy_all(crawl, [of_s3(replica, f"{GROUP}/s2", "s2")], settings=settings)
    assert ended.status == 0, ended.log
    wanted = objects_below("s3", COSEM, f"{GROUP}/s2/")
    for key, body in wanted.items():
        stored = bucket.client.get_object(Bucket="volumes", Key=f"out/s2/{key}")
        assert stored["Body"].read() == body
    (row,) = ended.out.rows()
    assert (row["objects"], row["format"]) == (str(len(wanted)), "Zarr v2")
    assert int(row["bytes"]) == sum(map(len, wanted.values()))


@pytest.mark.slow
def test_a_shard_of_many_megabytes_goes_on_where_it_stopped(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    size = 320 << 20  # what came is noted after each 64 MB
    key = f"{size}/0.shard"
    replica.faults([{"match": "/large/$", "kind": "text", "body": _listing([(key, size)])}])
    address = f"{replica.url}/large/{size}/"
    path = list_of(crawl, [["big", f"s3://large/{size}", address, ()]])
    settings = LISTED | {"FILE_CONNECTIONS": "1"}
    started = crawl.start("listed_copies", list=path, settings=settings)
    parts = crawl.out().root / ".parts"
    until(lambda: any(p.read_text().count("\n") > 2 for p in parts.glob("*.note")), every=0.005)
    started.kill()
    started.communicate(timeout=30)
    ended = crawl("listed_copies", list=path, settings=settings)
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    verify(ended.out, row)
    assert (ended.out.root / "big/0.shard").stat().st_size == size
    with urllib.request.urlopen(f"{address}0.shard") as answer:
        sent = hashlib.file_digest(answer, "sha256").hexdigest()
    with (ended.out.root / "big/0.shard").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == sent


PACKED = """
import gzip, hashlib, sys
from aiohttp import web

plain = b"voxels " * 500
packed = gzip.compress(plain, mtime=0)
tag = hashlib.md5(packed).hexdigest()

async def answer(request):
    key = request.path.removeprefix("/bucket/")
    headers = {"ETag": f'"{tag}"'}
    if key == "v/0":  # as Google unpacks it on the way
        headers |= {"x-goog-stored-content-encoding": "gzip",
                    "x-goog-stored-content-length": str(len(packed))}
        return web.Response(body=plain, headers=headers)
    if key == "v/1":  # as S3 sends it, whatever is accepted
        return web.Response(body=packed, headers=headers | {"Content-Encoding": "gzip"})
    if key:
        return web.Response(status=404)
    inner = "".join(f'<Contents><Key>v/{n}</Key><Size>{len(packed)}</Size><ETag>"{tag}"</ETag>'
                    "</Contents>" for n in range(2))
    return web.Response(content_type="application/xml", text=
        f"<ListBucketResult><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>")

app = web.Application()
app.router.add_route("*", "/{path:.*}", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""


def test_what_a_store_keeps_packed_is_kept_unpacked(crawl: Crawler) -> None:
    with serving(PACKED) as port:
        copy = ["v", "gs://bucket/v", f"http://127.0.0.1:{port}/bucket/v/", ()]
        ended = copy_all(crawl, [copy])
    assert ended.status == 0, ended.log
    verify(ended.out, ended.out.rows()[0])
    plain = b"voxels " * 500
    assert files_below(ended.out.root / "v") == {"0": plain, "1": plain}


MANY = """
import sys
from aiohttp import web
from replicas.bucket import md5 as _md5

count = int(sys.argv[1])
keys = sorted(f"v/{n:06}" for n in range(count))
keys.insert(0, "v/.zarray")

def body(key):
    return b"{}" if key.endswith("y") else key.encode()

async def answer(request):
    key = request.path.removeprefix("/bucket/")
    if key:
        known = key == "v/.zarray" or key[2:].isdigit()
        return web.Response(body=body(key), headers={"ETag": f'"{_md5(body(key))}"'}) if known \\
            else web.Response(status=404)
    start = int(request.query.get("continuation-token", "0"))
    page = keys[start:start + 1000]
    more = start + 1000 < len(keys)
    inner = "".join(f'<Contents><Key>{k}</Key><Size>{len(body(k))}</Size>'
                    f'<ETag>"{_md5(body(k))}"</ETag></Contents>' for k in page)
    token = f"<NextContinuationToken>{start + 1000}</NextContinuationToken>" if more else ""
    return web.Response(content_type="application/xml", text=
        f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{inner}{token}"
        "</ListBucketResult>")

app = web.Application()
app.router.add_route("*", "/{path:.*}", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), print=None, access_log=None)
"""


@pytest.mark.slow
@pytest.mark.soak
def test_memory_is_flat(crawl: Crawler) -> None:
    """Two or three kilobytes kept of each object would be seen."""
    few, many = 500, times(few=4000, many=10_000)
    peaks = {}
    for count in (few, many):
        out, peak = f"out{count}", 0
        with serving(MANY, str(count)) as port:
            copy = ["v", "s3://bucket/v", f"http://127.0.0.1:{port}/bucket/v/", ()]
            path = list_of(crawl, [copy])
            running = crawl.start("listed_copies", list=path, out=out, settings=LISTED)
            while running.poll() is None:
                with suppress(OSError, IndexError):  # it has ended
                    status = Path(f"/proc/{running.pid}/status").read_text()
                    peak = int(status.split("VmHWM:")[1].split()[0])
                time.sleep(0.02)
            log, _ = running.communicate(timeout=10)
        assert running.returncode == 0, log
        (row,) = crawl.out(out).rows()
        assert int(row["objects"]) == count + 1
        peaks[count] = peak >> 10
    print(peaks)
    assert peaks[many] < peaks[few] + times(few=10, many=20), peaks  # MB


@contextmanager
def serving(script: str, *args: str) -> Iterator[int]:
    """A server of a few lines, in a process of its own; its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", script, *args, str(port)], cwd=ROOT)
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(port: int) -> None:
    def answers() -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        return False

    until(answers)
