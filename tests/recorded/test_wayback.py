"""The Wayback Machine: answers of its CDX server and of the replay."""

from __future__ import annotations

import base64
import json
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from imgcrawl.sources.wayback import WaybackCapture, cdx_url, parse_cdx
from tests.recorded.shapes import FOLDER, differences, recorded
from tests.replicas.client import ask

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess

SHAPES = recorded("wayback/shapes.json")
RECORDED = (FOLDER / "wayback/cdx_recorded.txt").read_text("utf-8")
BLOCKED = RECORDED.rpartition("status 403\n")[2].strip()


def test_a_capture_is_read() -> None:
    (capture,) = parse_cdx(json.dumps(SHAPES["cdx_json_example"]).encode(), 2010)
    assert capture == WaybackCapture(
        "19970126045828", "http://www.archive.org:80/", "Q4YULN754FHV2U6Q5JUT6Q2P57WEWNNY"
    )
    assert capture.sha1 == base64.b32decode("Q4YULN754FHV2U6Q5JUT6Q2P57WEWNNY").hex()
    assert capture.replay_url("https://web.archive.org/") == (
        "https://web.archive.org/web/19970126045828id_/http://www.archive.org:80/"
    )


def test_the_key_to_go_on_with_is_no_capture() -> None:
    (capture,) = parse_cdx(json.dumps(SHAPES["cdx_json_with_resume_key"]).encode(), None)
    assert capture.timestamp == "19980109140106"
    assert parse_cdx(json.dumps(SHAPES["cdx_json_no_hits"]).encode(), None) == []


def test_a_blocked_site_is_no_list() -> None:
    assert BLOCKED.endswith("Blocked Site Error")
    with pytest.raises(ValueError, match="Expecting value"):
        parse_cdx(BLOCKED.encode(), None)


def archived(replica: ReplicaProcess) -> tuple[str, str]:
    """Return a URL that the replica has captures of, and the question for them."""
    for number in range(50):
        url = f"http://images.example.edu/{number}.jpg"
        question = cdx_url(f"{replica.url}/wayback/", url, 2010)
        if json.loads(ask_cdx(question)):
            return url, question
    raise AssertionError("nothing is archived")


def ask_cdx(url: str) -> bytes:
    import gzip

    status, headers, body = ask(url)
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    return gzip.decompress(body)


def test_the_replicas_lists_have_the_recorded_shape(replica: ReplicaProcess) -> None:
    replica.web(cdx_per_minute=1000)
    url, _ = archived(replica)
    question = f"{replica.url}/wayback/cdx/search/cdx?url={url}"
    table = json.loads(ask_cdx(f"{question}&output=json"))
    assert differences(SHAPES["cdx_json_example"], table) == {}
    assert table[0] == SHAPES["cdx_json_example"][0]
    # As text: the same columns, apart from each other by one blank.
    form = r"\S+ \d{14} https?://\S+ [\w/.+-]+ (?:\d{3}|-) [A-Z2-7]{32} \d+"
    rows = [line for line in RECORDED.splitlines() if re.match(r"gov,\w+\)/ \d{14} ", line)]
    assert len(rows) == 17
    for line in (*rows[:-1], *ask_cdx(question).decode().splitlines()):  # the last one is cut
        assert re.fullmatch(form, line), line


def test_the_replica_refuses_a_blocked_site_in_the_recorded_words(replica: ReplicaProcess) -> None:
    status, _, body = ask(f"{replica.url}/wayback/cdx/search/cdx?url=http://blocked.example/a.jpg")
    assert (status, body.decode().strip()) == (403, BLOCKED)


def test_the_replica_dates_a_replay_as_recorded(replica: ReplicaProcess) -> None:
    recording = (FOLDER / "wayback/memento_headers.yaml").read_text("utf-8")
    (recorded_date,) = re.findall(r"memento-datetime:\n\s+- (.+)", recording)
    assert recorded_date == "Fri, 24 Nov 2017 15:13:15 GMT"
    replica.web(cdx_per_minute=1000)
    url, question = archived(replica)
    stamp = json.loads(ask_cdx(question))[1][0]
    status, headers, _ = ask(f"{replica.url}/wayback/web/{stamp}id_/{url}")
    assert status == 200
    date = headers["memento-datetime"]
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert parsedate_to_datetime(date).strftime("%Y%m%d%H%M%S") == stamp
    assert "x-archive-src" in headers
