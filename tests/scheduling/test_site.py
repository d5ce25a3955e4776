"""Scrapyd's page: forms and jobs in a real browser; what other sites send is refused."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from base64 import b64encode
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.browser.chromium import find_browser
from imgcrawl.scheduling.jobs_page import page
from tests.conftest import HASTE, scrapy, until
from tests.scheduling.test_scrapyd import Scrapyd, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from replicas.process import ReplicaProcess

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><b>"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scrapyd]:
    with running(tmp_path_factory.mktemp("site"), "--in-project") as started:
        yield started


def answer(daemon: Scrapyd, path: str, data: bytes | None = None, **headers: str) -> Any:
    """Status, headers and body, with the password; a redirect is not followed."""
    secret = b64encode(f"imgcrawl:{daemon.password}".encode()).decode()
    request = urllib.request.Request(f"http://127.0.0.1:{daemon.port}/{path}", data)
    for name, value in {"Authorization": f"Basic {secret}", **headers}.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=60) as got:
            return got.status, dict(got.headers), got.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


@pytest.mark.slow
def test_what_another_site_sends_is_refused(daemon: Scrapyd) -> None:
    job = b"project=imgcrawl&spider=isic&arg.num_images=1"
    here = f"http://127.0.0.1:{daemon.port}"
    for path in ("schedule.json", "cancel.json", "run", "stop", "delproject.json"):
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "same-site", "Origin": here},
        ):
            assert answer(daemon, path, job, **headers)[0] == 403, (path, headers)
    assert answer(daemon, "run", job, Origin=here)[0] == 403  # without the page's token
    assert answer(daemon, "stop", job + b"&token=" + b"x" * 43, Origin=here)[0] == 403
    assert json.loads(answer(daemon, "progress.json")[2]) == []
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{here}/", timeout=10)
    assert caught.value.code == 401
    status, headers, _ = answer(daemon, "")
    assert status == 200
    assert headers["X-Frame-Options"] == "DENY"
    assert "script-src 'self'" in headers["Content-Security-Policy"]


@pytest.mark.slow
def test_files_of_a_job_and_nothing_else(daemon: Scrapyd, tmp_path: Path) -> None:
    out, progress = tmp_path / "out", daemon.home / "progress"
    out.mkdir()
    progress.mkdir(exist_ok=True)
    (progress / "j1.json").write_text(json.dumps({"out": str(out), "activity": HOSTILE}))
    (progress / "j2.json").write_text(json.dumps({"out": "s3://bucket/x"}))
    (out / "summary.json").write_text("{}")
    (out / "report.html").write_text(HOSTILE)
    (out / "ledger.sqlite").write_text("secret")
    (out / "runs.csv").symlink_to(daemon.home / "password")
    assert answer(daemon, "out/j1/summary.json")[2] == b"{}"
    headers = answer(daemon, "out/j1/report.html")[1]
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    for path in (
        "j1/ledger.sqlite",
        "j1/runs.csv",
        "j1/../password",
        "../password",
        "j2/summary.json",
    ):
        assert answer(daemon, f"out/{path}")[0] == 404, path
    assert answer(daemon, "out/..%2f..%2fhome/summary.json")[0] == 404


@pytest.mark.slow
@pytest.mark.skipif(find_browser(None) is None, reason="there is no Chromium")
def test_in_a_browser(daemon: Scrapyd, replica: ReplicaProcess, tmp_path: Path) -> None:
    """A person starts a crawl, sees it go, stops another, and reads what came of them."""
    from playwright.sync_api import sync_playwright

    (daemon.home / "progress").mkdir(exist_ok=True)
    seen: list[str] = []
    settings = [*replica.settings()[1::2], *(f"{n}={v}" for n, v in HASTE.items())]
    settings += ["HTTPCACHE_ENABLED=0"]
    slow = ["DOWNLOAD_DELAY=0.5", "CONCURRENT_REQUESTS_PER_DOMAIN=1", "AUTOTHROTTLE_ENABLED=0"]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_browser(None), args=["--no-sandbox"])
        context = browser.new_context(
            http_credentials={"username": "imgcrawl", "password": daemon.password},
            viewport={"width": 1280, "height": 900},
        )
        tab = context.new_page()
        tab.on("dialog", lambda dialog: seen.append(dialog.message))
        tab.on("pageerror", lambda error: seen.append(str(error)))
        tab.on("request", lambda request: seen.append(request.url))
        home = f"http://127.0.0.1:{daemon.port}/"
        tab.goto(home)

        def start(out: str, count: int, more: list[str]) -> None:
            form = tab.locator("details", has=tab.locator("strong", has_text="isic")).first
            form.locator("summary").first.click()
            form.locator("input[name='arg.num_images']").fill(str(count))
            form.locator("details summary").click()
            form.locator("input[name='arg.out']").fill(out)
            form.locator("textarea").fill("\n".join([*settings, *more]))
            form.get_by_role("button", name="Start").click()
            tab.wait_for_url(home)

        start("data/one", 5, [])
        tab.get_by_text("all stored").wait_for(timeout=60_000)
        row = tab.locator("tr[data-job]").first
        assert "5 of 5" in row.inner_text()
        with tab.expect_navigation():
            row.get_by_role("link", name="summary").click()
        assert json.loads(tab.inner_text("body"))["records"]["stored"] == 5
        tab.goto(home)
        tab.get_by_role("link", name="report").first.click()
        assert "Pictures" in tab.inner_text("body")
        tab.goto(home)

        start("data/two", 300, slow)
        tab.locator("tr[data-state='running'] progress").wait_for(timeout=60_000)
        before = tab.locator("tr[data-state='running'] .records").inner_text()
        until(lambda: tab.locator("tr[data-state='running'] .records").inner_text() != before)
        if shots := os.environ.get("SHOTS"):
            tab.screenshot(path=f"{shots}/jobs.png", full_page=True)
            tab.locator("details", has=tab.locator("strong", has_text="isic")).first.locator(
                "summary"
            ).first.click()
            tab.screenshot(path=f"{shots}/form.png", full_page=True)
            tab.goto(home)
        tab.get_by_role("button", name="Stop").click()
        tab.get_by_text("stopped by SIGINT").wait_for(timeout=60_000)

        hostile: dict[str, Any] = {"num_images": 1, "filter": HOSTILE}
        daemon.schedule(replica, **hostile)
        tab.goto(home)
        tab.get_by_text("filter=<script>alert(1)").first.or_(
            tab.get_by_text("finished")
        ).first.wait_for()
        tab.set_viewport_size({"width": 380, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth") <= 380
        browser.close()
    assert [each for each in seen if not each.startswith((home, "data:image/"))] == []


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers |= {name for name, _ in attrs if name.startswith("on")}


def test_all_that_others_say_is_text() -> None:
    words = ("project", "spider", "job", "how", "arguments", "records", "size", "activity")
    job: dict[str, Any] = {**dict.fromkeys(words, HOSTILE), "state": "running"}
    job |= {"done": 1, "expected": 3, "links": {HOSTILE: f"out/{HOSTILE}"}}
    field = {
        **dict.fromkeys(("name", "description", "facts", "example"), HOSTILE),
        "choices": [HOSTILE],
        "required": True,
        "shared": False,
    }
    spider = {"name": HOSTILE, "doc": HOSTILE, "arguments": [field, {**field, "choices": []}]}
    text = page([job], {HOSTILE: [spider], "b": HOSTILE}, HOSTILE, HOSTILE)
    found = _Tags(text)
    assert not found.handlers
    assert "img" not in found.tags
    assert "b" not in found.tags
    assert text.count("<script") == 1


@pytest.mark.slow
def test_spiders_tell_their_arguments_to_programs() -> None:
    told = json.loads(scrapy("spiders", "--json").stdout)
    isic = next(each for each in told if each["name"] == "isic")
    fields = {field["name"]: field for field in isic["arguments"]}
    assert fields["dry_run"]["choices"] == ["yes", "no"]
    assert fields["out"]["shared"]
    assert not fields["num_images"]["shared"]
    assert not fields["num_images"]["choices"]
