"""``scrapy genspider -t dataset``: what it writes is a spider, as it stands."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT, scrapy

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

PAGE = "".join(f'<p><a href="http://host.example/{n}.jpg">Number {n}</a>' for n in range(3))
RECORDS = [
    {"id": f"b{n}", "photo": f"http://host.example/{n}.jpg", "species": "Vanessa"} for n in range(3)
]


def environment(tmp_path: Path) -> dict[str, str]:
    """Where the package ``mine`` is found, which spiders are written to."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}


def generated(env: dict[str, str], *words: str) -> CompletedProcess[str]:
    return scrapy("genspider", "-s", "NEWSPIDER_MODULE=mine", "-t", *words, env=env)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) for kind in ("page", "results")] + ["list"]
)
def test_a_generated_spider_runs_as_it_stands(
    kind: str, crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    body: dict[str, Any] = {
        "page": {"kind": "status", "status": 200, "body": f"<!doctype html><title>B</title>{PAGE}"},
        "list": {"kind": "json", "body": RECORDS},
        "results": {"kind": "json", "body": {"results": RECORDS}},
    }
    replica.faults([{"match": "/butterflies", **body[kind]}])
    env = environment(tmp_path)
    ended = generated(env, "dataset", "butterflies", f"{replica.url}/butterflies")
    assert ended.returncode == 0, ended.stderr

    command = crawl.command("butterflies", settings={"SPIDER_MODULES": "spiders,mine"})
    crawled = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert crawled.returncode == 0, crawled.stderr
    out = crawl.out()
    out.verify()
    assert out.failures() == {}
    assert out.summary()["records"] == {"stored": 3, "missing": 0, "expected": 3}
    ids = {"0", "1", "2"} if kind == "page" else {"b0", "b1", "b2"}
    assert {row["file_name"] for row in out.rows()} == {f"images/{each}.jpg" for each in ids}
    column = ("page", f"{replica.url}/butterflies") if kind == "page" else ("species", "Vanessa")
    assert {row[column[0]] for row in out.rows()} == {column[1]}

    shown = scrapy("spiders", "-s", "SPIDER_MODULES=mine", "butterflies", env=env)
    assert "num_images" in shown.stdout, shown.stderr


@pytest.mark.slow
def test_scrapys_own_templates_are_there_too(tmp_path: Path) -> None:
    env = environment(tmp_path)
    listed = scrapy("genspider", "--list", env=env)
    assert listed.stdout.split()[2:] == ["basic", "crawl", "csvfeed", "xmlfeed", "dataset"]
    assert generated(env, "basic", "plain", "example.org").returncode == 0
    assert "scrapy.Spider" in (tmp_path / "mine" / "plain.py").read_text()


@pytest.mark.slow
def test_what_would_be_no_python_is_refused_or_encoded(tmp_path: Path) -> None:
    env = environment(tmp_path)
    refused = generated(env, "dataset", "what's up", "example.org")
    assert refused.returncode == 2
    assert "cannot be a spider's name" in refused.stderr
    assert generated(env, "dataset", "odd", 'https://example.org/"""\\').returncode == 0
    compile((tmp_path / "mine" / "odd.py").read_text(), "odd.py", "exec")
