"""Killed at any moment, and resumed with the same or with another question: as if undisturbed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.sources.imagenet.synsets import Synsets
from replicas.imagenet import fall11
from tests.conftest import until
from tests.soak import times

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Out

MB = 1 << 20
KILLS = 3  # of one run, at most, before it may end
COSEM = "s3://janelia-cosem-datasets/jrc_mus-nacc-2/jrc_mus-nacc-2.zarr"


@dataclass(frozen=True)
class Case:
    """A dataset that is asked two questions; the second has all records of the first.

    path:  what its files' addresses begin with at the replica
    moves: how many requests the first question makes, about
    """

    spider: str
    path: str
    moves: int
    first: Callable[[Path, str], dict[str, Any]]
    second: Callable[[Path, str], dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)
    mix: dict[str, float] = field(default_factory=dict)
    status: int = 0


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def listed(path: Path, host: str) -> dict[str, Any]:
    lines = [f"{n},http://{host}{n % 5}.example/{n}.jpg,of {host}" for n in range(150)]
    return {
        "list": write(path / f"{host}.csv", "\n".join(["id,url,caption", *lines])),
        "changed": "replace",
    }


def synsets(path: Path, n: int) -> dict[str, Any]:
    wnids = Synsets().ilsvrc2012()[:6]
    urls = write(path / "urls.txt", "".join(fall11(wnids, 40)))
    return {"wnids": ",".join(wnids), "n": n, "hosts": "all", "urls_file": urls}


def large(path: Path, url: str, n_files: int) -> dict[str, Any]:
    sizes = [40 * MB, 3 * MB, 30 * MB][:n_files]
    records = [
        [f"f{n}", [f"{url}/large/{size}/{n}.bin?seed={n}&rate=9000000"], f"data/{n}.bin", {}]
        for n, size in enumerate(sizes)
    ]
    return {"list": write(path / f"{n_files}.json", json.dumps(records))}


CASES = {
    "isic": Case(
        "isic",
        "/isic-s3/",
        120,
        lambda path, url: {"num_images": 60, "descriptions": 1},
        lambda path, url: {"num_images": 100, "descriptions": 1, "sizes": "16"},
    ),
    "urls": Case(
        "urls",
        "/web/",
        150,
        lambda path, url: listed(path, "a"),
        lambda path, url: listed(path, "b"),
    ),
    "imagenet": Case(
        "imagenet",
        "/web/",
        120,
        lambda path, url: synsets(path, 8),
        lambda path, url: synsets(path, 12),
        mix={"dead": 0.25, "placeholder": 0.1, "corrupt": 0.05},
    ),
    "large files": Case(
        "listed_files",
        "/large/",
        6,
        lambda path, url: large(path, url, 2),
        lambda path, url: large(path, url, 3),
        {"SPIDER_MODULES": "tests.spiders"},
    ),
    "zarr": Case(
        "zarr",
        "/janelia-cosem-datasets/",
        14,
        lambda path, url: {"url": COSEM, "path": "recon-2/em/fibsem-int16", "level": "s3"},
        lambda path, url: {"url": COSEM, "path": "recon-2/em/fibsem-int16", "level": "s2,s3"},
    ),
}


def told(out: Out) -> dict[str, Any]:
    """What an OUT holds, but for the times and for how often something was asked."""
    tables = {
        name: [
            {k: v for k, v in row.items() if k not in {"downloaded_at", "last_try_at", "tries"}}
            for row in out.rows(name)
        ]
        for name in ("metadata.csv", "failures.csv")
    }
    return {"files": out.files(), **tables}


def wait_for(replica: ReplicaProcess, running: subprocess.Popen[str], requests: int) -> None:
    """Wait until a crawl has made so many requests, or has ended."""
    until(lambda: running.poll() is not None or sum(replica.log()["paths"].values()) >= requests)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "name",
    [
        *("isic", "urls", "imagenet"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("large files", "zarr")),
    ],
)
def test_killed_at_any_moment_it_ends_as_if_undisturbed(
    name: str, crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    case, random = CASES[name], Random(name)
    first, second = case.first(tmp_path, replica.url), case.second(tmp_path, replica.url)
    settings = {"CONCURRENT_REQUESTS_PER_DOMAIN": "4", "CHECK_FREE_DISK": "0", **case.settings}
    undisturbed = {}
    for turn in range(times(few=1, many=40)):
        question = second if turn % 2 == 0 else first
        replica.web(**case.mix)
        replica.faults([])
        if id(question) not in undisturbed:
            whole = crawl(case.spider, out=f"whole{turn}", settings=settings, **question)
            assert whole.status == case.status, whole.log
            undisturbed[id(question)] = told(whole.out)
        replica.web(**case.mix)
        replica.faults([{"match": case.path, "kind": "latency", "ms": 60}])
        out = f"killed{turn}"
        for _ in range(random.randint(1, times(few=1, many=KILLS))):
            replica.reset()
            running = crawl.start(case.spider, out=out, settings=settings, **first)
            wait_for(replica, running, random.randrange(1, case.moves))
            running.kill()
            running.communicate()
        replica.faults([])
        ended = crawl(case.spider, out=out, settings=settings, **question)
        assert ended.status == case.status, ended.log
        assert told(ended.out) == undisturbed[id(question)], f"turn {turn}"
