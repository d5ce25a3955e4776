"""Metrics: an independent parser reads them, docs and dashboard name those that there are."""

from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as older

from imgcrawl.progress.openmetrics import CONTENT_TYPE, METRICS, Gauges, write_prom
from tests.conftest import ROOT, scrapy, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Crawler


strict: Any = openmetrics.text_string_to_metric_families


def values(text: str, parse: Any = strict) -> dict[str, float]:
    """Each sample by its name (and its reason)."""
    return {
        f"{sample.name}{'/' + r if (r := sample.labels.get('reason')) else ''}": sample.value
        for family in parse(text)
        for sample in family.samples
    }


@given(st.text(max_size=30), st.one_of(st.integers(-(10**15), 10**15), st.floats(-1e9, 1e9)))
@example('a"\\\n\r{}=,#\ud800\x00', 0)
def test_any_label_and_value_is_read_as_it_was(label: str, value: float) -> None:
    gauges = Gauges()
    gauges.add("imgcrawl_run_running", value, {"dataset": label, "spider": "isic"})
    gauges.add("imgcrawl_run_stored_bytes", None, {"dataset": label})
    gauges.add("imgcrawl_run_stored_bytes", float("nan"), {"dataset": label})
    text = gauges.text()
    text.encode("utf-8")
    (family,) = strict(text)
    (sample,) = family.samples
    assert sample.value == value
    if all(c.isprintable() or c == "\n" for c in label):
        assert sample.labels == {"dataset": label, "spider": "isic"}
    assert len(values(text, older)) == 1


def test_a_file_appears_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "collector" / "x.prom"
    write_prom(path, "a")
    write_prom(path, "b")
    assert path.read_text() == "b"
    assert [each.name for each in path.parent.iterdir()] == ["x.prom"]
    assert path.stat().st_mode & 0o777 == 0o644


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_a_run_and_what_it_left(crawl: Crawler) -> None:
    folder, port = crawl.tmp_path / "collector", free_port()
    settings = {"METRICS_DIR": folder, "METRICS_PORT": port, "DOWNLOAD_DELAY": "0.1"}
    settings |= {"CONCURRENT_REQUESTS_PER_DOMAIN": "1"}
    process = crawl.start("isic", ids="ISIC_0000001,ISIC_9999999", settings=settings)
    page = f"http://127.0.0.1:{port}/metrics"

    def asked() -> Any:
        try:
            return urllib.request.urlopen(page, timeout=5)
        except (ConnectionError, urllib.error.URLError):
            return None

    with until(asked) as answer:
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        assert values(answer.read().decode())["imgcrawl_run_running"] == 1
    rebound = urllib.request.Request(page, headers={"Host": "evil.example"})
    with pytest.raises((urllib.error.HTTPError, OSError)):
        urllib.request.urlopen(rebound, timeout=5)
    log = process.communicate()[0]
    assert process.returncode == 3, log
    (file,) = folder.iterdir()
    found = values(file.read_text())
    assert found["imgcrawl_run_running"] == 0
    assert found["imgcrawl_run_exit_status"] == 3
    assert found["imgcrawl_run_stored_records"] == 1
    assert found["imgcrawl_run_missing_records/not_found"] == 1
    assert values(file.read_text(), older) == found
    told = scrapy("status", "--metrics", "-", crawl.tmp_path / "out")
    rest = values(told.stdout)
    assert rest["imgcrawl_dataset_last_exit_status"] == 3
    assert rest["imgcrawl_dataset_stored_records"] == rest["imgcrawl_dataset_missing_records"] == 1
    assert found.keys() - {"imgcrawl_run_missing_records/not_found"} | rest.keys() == (
        METRICS.keys() - {"imgcrawl_run_missing_records"}
    )


def test_a_port_and_a_folder_that_cannot_be_had_stop_nothing(crawl: Crawler) -> None:
    (crawl.tmp_path / "file").write_text("")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = {"METRICS_DIR": crawl.tmp_path / "file/x", "METRICS_PORT": port}
        ended = crawl("isic", num_images=2, settings=settings)
    assert ended.status == 0, ended.log
    assert "no more metrics" in ended.log
    assert f"METRICS_PORT={port} cannot be had" in ended.log


def test_docs_and_dashboard_name_what_there_is() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana.json").read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [each["query"] for each in dashboard["templating"]["list"]]
    named = {name for query in queries for name in re.findall(r"imgcrawl_\w+", query)}
    assert len(named) > 10
    assert named <= METRICS.keys()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    page = (ROOT / "docs/operating.md").read_text("utf-8")
    told = dict(re.findall(r"\| `(imgcrawl_\w+)` \| (.*) \|", page))
    assert told == METRICS
