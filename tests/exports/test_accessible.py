"""The report and the gallery for people who do not see, or see little: structure and contrast."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from imgcrawl.browser.chromium import find_browser
from tests.conftest import scrapy
from tests.gallery.test_gallery import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENOUGH = 4.5  # WCAG 2.2, 1.4.3: contrast of text
PAIRS = [("ink", "paper"), ("soft", "paper"), ("ink", "card"), ("soft", "card")]


class Structure(HTMLParser):
    """The headings, pictures, tables and fields of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag in tags]


@pytest.fixture
def out(filled: Callable[..., Path]) -> Path:
    root = filled([(f"r{n}", {"label": "ab"[n % 2], "": "x"}) for n in range(30)])
    (root / "summary.json").write_text('{"classes": {"": 3}, "spider": "urls"}')
    assert scrapy("report", root, "--pages").returncode == 0
    return root


def test_a_screen_reader_finds_its_way(out: Path) -> None:
    gallery = files("imgcrawl.gallery").joinpath("page/gallery.html").read_text("utf-8")
    for text in (
        (out / "report.html").read_text("utf-8"),
        (out / "report-pages/00001.html").read_text("utf-8"),
        gallery,
    ):
        page = Structure(text)
        assert [attrs["lang"] for attrs in page.of("html")] == ["en"]
        assert len(page.of("title")) == len(page.of("main")) == page.headings.count(1) == 1
        assert all(low - high <= 1 for high, low in pairwise(page.headings))
        assert all(attrs.get("alt") is not None for attrs in page.of("img"))
        assert all(attrs.get("scope") for attrs in page.of("th"))
        assert not re.search(r"<th[^>]*></th>", text)
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert len(ids) == len(set(ids))
    fields = len(re.findall(r"<label>[^<]*<(?:select|input)", gallery))
    assert fields == len(Structure(gallery).of("select", "input")) == 5


def luminance(colour: str) -> float:
    """Source: WCAG 2.2, "relative luminance"."""
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_is_told_from_its_ground_in_light_and_in_dark(out: Path) -> None:
    report = (out / "report.html").read_text("utf-8")
    style = files("imgcrawl.gallery").joinpath("page/gallery.css").read_text("utf-8")
    for text, mark in ((report, "bar"), (style, "mark")):
        light, dark = re.findall(r":root \{([^}]*)\}", text)[:2]
        for rules in (light, dark):
            colours = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", rules))
            for one, other in [*PAIRS, (mark, "paper")]:
                low, high = sorted(map(luminance, (colours[one], colours[other])))
                assert (high + 0.05) / (low + 0.05) >= ENOUGH, (one, other, rules)


@pytest.mark.slow
@pytest.mark.skipif(find_browser(None) is None, reason="there is no Chromium")
def test_axe_finds_no_violation(out: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    from playwright.sync_api import sync_playwright

    with serving(out) as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_browser(None), args=["--no-sandbox"])
        for dark, width in ((False, 1440), (True, 360)):
            context = browser.new_context(
                color_scheme="dark" if dark else "light", viewport={"width": width, "height": 800}
            )
            page = context.new_page()
            for address in ("report.html", "report-pages/00001.html"):
                page.goto((out / address).as_uri())
                page.locator("summary").first.click()
                assert axe.run(page).response["violations"] == []
            page.goto(server.url)
            page.get_by_role("option", name="r0, a").wait_for()
            assert axe.run(page).response["violations"] == []
            page.get_by_role("option", name="r1, b").click()
            page.get_by_role("heading", name="r1").wait_for()
            assert axe.run(page).response["violations"] == []
            context.close()
        browser.close()
