"""The picture of a report: that of the demo's dataset, in a Chromium of this machine."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from imgcrawl.browser.chromium import find_browser
from imgcrawl.exports.report import write_report
from imgcrawl.storage.directory import REPORT, OutputDirectory
from imgcrawl.storage.local import LocalStorage

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "pictures" / "report.jpg"
OUT = ROOT / "data" / "demo"  # as docs.generate.terminal leaves it

_SIZE = {"width": 1200, "height": 760}  # pixels


def screenshot(page: Path) -> Image.Image:
    """Return what a browser shows of a page before it is scrolled."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_browser(None), args=["--no-sandbox"])
        shown = browser.new_page(viewport=_SIZE, color_scheme="light")  # type: ignore[arg-type]
        shown.goto(page.as_uri())
        taken = shown.screenshot()
        browser.close()
    return Image.open(io.BytesIO(taken)).convert("RGB")


def main(out: Path = OUT) -> None:
    """Write the report of what the demo has left, and take its picture."""
    with closing(OutputDirectory(out)) as directory:
        write_report(directory, LocalStorage(directory.root), "data/demo")
    screenshot(out / REPORT).save(PICTURE, quality=80, optimize=True)
