"""``scrapy report``: one page that shows a dataset, and in which nothing of a source can run."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from imgcrawl.browser.chromium import find_browser
from imgcrawl.dataset.history import RunRow, add_run
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.exports.report import LIMIT, write_report
from imgcrawl.exports.report_facts import Tally, gather
from imgcrawl.exports.report_page import write_page
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import OutputDirectory
from imgcrawl.storage.local import LocalStorage
from tests.conftest import scrapy
from tests.dataset.entries import missing
from tests.exports.conftest import picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOSTILE = (
    '</script></style><script>fetch("http://evil.example")</script><img src=x onerror=alert(1)>'
)


class Page(HTMLParser):
    """What elements and attributes a page has, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data + " "


@pytest.fixture
def out(filled: Callable[..., Path]) -> Path:
    root = filled(
        [
            (
                f"r{n:02}{HOSTILE if n == 3 else ''}",
                {
                    "diagnosis_1": ["Benign", "Malignant", HOSTILE][n % 3],
                    "license": "CC-0",
                    "age": n,
                },
            )
            for n in range(40)
        ]
    )
    with closing(Ledger(root / "ledger.sqlite")) as ledger:
        ledger.write(
            missing(f"m{n}", Outcome.DNS, url=f"http://h{n % 3}.example/?api_key=c29tZSBzZWNyZXQ")
            for n in range(9)
        )
    summary = {
        "spider": "isic",
        "arguments": {"filter": HOSTILE},
        "exit_status": 3,
        "records": {"stored": 40, "missing": 9},
        "bytes": 98765,
        "this_run": {"outcomes": {"stored": 31337}},
    }
    (root / "summary.json").write_text(json.dumps(summary))
    return root


def test_it_shows_pictures_and_figures_and_nothing_of_a_source_runs(out: Path) -> None:
    ended = scrapy("report", out)
    assert ended.returncode == 0, ended.stderr
    assert f"{out}/report.html: 40 records, 40 pictures shown" in ended.stdout
    page = Page(out / "report.html")
    assert not {"script", "iframe", "object", "embed", "form", "link", "base"} & {*page.tags}
    assert page.tags.count("style") == 1
    names = {name for name, _ in page.attributes}
    assert not [name for name in names if name.startswith("on")] + [*({"style"} & names)]
    links = [value for name, value in page.attributes if name in {"src", "href", "srcset"}]
    assert all(link.startswith(("data:image/", "#")) for link in links)
    assert page.tags.count("img") == 40
    contents = [value for name, value in page.attributes if name == "content"]
    assert any("default-src 'none'" in value for value in contents)
    for shown in ("r07", "Benign: 14", "CC-0", "dns", "h1.example", "31337", "98765", HOSTILE):
        assert shown in page.text, shown
    assert "c29tZSBzZWNyZXQ" not in page.text
    before = (out / "report.html").read_bytes()
    assert scrapy("report", out).returncode == 0
    assert (out / "report.html").read_bytes() == before
    assert scrapy("verify", out).returncode == 0


def test_pictures_are_drawn_from_every_class(filled: Callable[..., Path]) -> None:
    out = filled(
        [(f"r{n}", {"label": f"c{n % 7 if n % 9 else 99}"}) for n in range(300)], files=False
    )
    with closing(OutputDirectory(out)) as directory:
        one, two, other = (
            gather(directory, seed=seed, pictures=60, progress=print) for seed in (0, 0, 1)
        )
    drawn = [
        {n: [r["record_id"] for r in rows] for n, rows in f.samples.items()}
        for f in (one, two, other)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0]) == {f"c{n}" for n in (0, 1, 2, 3, 4, 5, 6, 99)}
    assert 12 <= sum(map(len, drawn[0].values())) <= 60
    assert all(drawn[0].values())


def test_duplicates_across_splits_come_first(out: Path) -> None:
    rows = ["group,kind,across,record_id,file_name"]
    rows += [f"{g},exact,{'splits' if g == 15 else ''},r{g:02},images/x.jpg" for g in range(20)]
    (out / "duplicates.csv").write_text("\n".join(rows))
    with closing(OutputDirectory(out)) as directory:
        found = gather(directory, seed=0, pictures=10, progress=print)
    assert (found.n_duplicates, len(found.duplicates)) == (20, 12)
    assert [row["record_id"] for row in found.duplicates[0].rows] == ["r15"]


def test_a_cube_is_shown_by_its_middle_slice(filled: Callable[..., Path]) -> None:
    cube = BytesIO()
    np.save(cube, np.arange(7 * 6 * 5, dtype=np.uint16).reshape(7, 6, 5))
    out = filled([("c", {}, picture(1), "cubes/c.jpg")])
    (out / "cubes/c.npy").write_bytes(cube.getvalue())
    with closing(Ledger(out / "ledger.sqlite")) as ledger:
        ledger._db.execute("UPDATE records SET file_name = 'cubes/c.npy', format = NULL")
    with closing(OutputDirectory(out)) as directory:
        assert write_report(directory, LocalStorage(out), "x").pictures == 1


@pytest.mark.slow
def test_all_pictures_are_on_pages(filled: Callable[..., Path]) -> None:
    out = filled([(f"r{n:04}{HOSTILE if n == 3 else ''}", {}) for n in range(1001)])
    ended = scrapy("report", out, "--pages")
    assert ended.returncode == 0, ended.stderr
    assert "all pictures, on 3 pages" in ended.stdout
    pages = [Page(path) for path in sorted((out / "report-pages").iterdir())]
    assert [page.tags.count("img") for page in pages] == [500, 500, 1]
    for page in pages:
        assert not {"script", "iframe", "link"} & {*page.tags}
        links = [value for name, value in page.attributes if name in {"src", "href"}]
        assert all(re.match(r"data:image/|\.\./report\.html$|\d{5}\.html$", at) for at in links)
    assert "report-pages/00001.html" in (out / "report.html").read_text()
    assert scrapy("verify", out).returncode == 0
    with closing(Ledger(out / "ledger.sqlite")) as ledger:
        ledger._db.execute("DELETE FROM records WHERE record_id > 'r0600'")
    assert scrapy("report", out, "--pages").returncode == 0
    assert len(list((out / "report-pages").iterdir())) == 2


def test_hostile_columns_are_bounded() -> None:
    tally = Tally()
    for n in range(20_000):
        tally.add(f"{n}" * 1000)
    assert len(tally.counts) < 6000
    assert tally.counts.total() == 20_000


def test_the_page_is_bounded_whatever_its_pictures(out: Path, tmp_path: Path) -> None:
    with closing(OutputDirectory(out)) as directory:
        facts = gather(directory, seed=0, pictures=40, progress=print)
    with (tmp_path / "page.html").open("w") as file:
        shown = write_page(file, "x", facts, {}, thumb=lambda _: b"x" * (1 << 20), limit=LIMIT)
    assert 10 < shown < 20
    assert (tmp_path / "page.html").stat().st_size < 20_000_000


@pytest.mark.slow
@pytest.mark.skipif(find_browser(None) is None, reason="there is no Chromium")
def test_in_a_browser_nothing_is_asked_for_and_nothing_runs(out: Path) -> None:
    from playwright.sync_api import sync_playwright

    numbers: dict[str, Any] = {"new": 14_197_122, "missing": 1_234_567, "bytes": 5 << 40}
    error = "the source at https://example.org/a/very/long/address/without/any/blank answered 503"
    for n in range(5):
        row = RunRow(
            started_at=f"2026-01-0{n + 1}T00:00:00Z", status="stopped", error=error, **numbers
        )
        add_run(out, replace(row, all_bytes=n << 40, records_per_second=n / 7))
    assert scrapy("report", out).returncode == 0
    text = (out / "report.html").read_text()
    assert "bytes of the dataset: 0 at first, 4,398,046,511,104 at last" in text
    assert "records a second: 0 at first, 0.571 at last" in text
    seen: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_browser(None), args=["--no-sandbox"])
        for dark, width in ((False, 1440), (True, 360)):
            page = browser.new_page(
                color_scheme="dark" if dark else "light", viewport={"width": width, "height": 800}
            )
            page.on("request", lambda request: seen.append(request.url))
            page.on("console", lambda message: seen.append(message.text))
            page.on("dialog", lambda dialog: seen.append(dialog.message))
            page.on("pageerror", lambda error: seen.append(str(error)))
            page.goto((out / "report.html").as_uri())
            page.locator("summary").nth(1).press("Enter")
            assert page.locator("details[open] table").is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.close()
        browser.close()
    assert [each for each in seen if not each.startswith(("data:image/", "file:"))] == []
