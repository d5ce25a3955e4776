"""The site of the documentation: it builds, no link is broken, and no page loads from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from docs.generate.tables import pages
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# What a browser fetches by itself: scripts, styles, pictures, fonts.
_LOADED = re.compile(r"(?:src=|<link[^>]*?href=|url\()[\"']?((?:https?:)?//[^\"' >)]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    found = [*site.rglob("*.html"), *site.rglob("*.css"), *site.rglob("*.svg")]
    assert len(found) > 30
    for path in found:
        assert not _LOADED.findall(path.read_text("utf-8")), path


@pytest.mark.slow
def test_no_page_of_code_is_published(site: Path) -> None:
    assert not list(site.rglob("*.py*"))


def test_links_between_files_of_the_repository_lead_somewhere() -> None:
    # Those within docs/ are checked by the build, with their anchors.
    for page in pages():
        text = re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text("utf-8"))
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if not link.startswith("https://"):
                assert (page.parent / link).exists(), f"{page}: {link}"


def test_files_that_pages_name_are_there() -> None:
    # Those that a reader is to write are named after butterflies, or in capitals.
    named = r"`((?:imgcrawl|spiders|pipelines|replicas|tests|docs|bench|examples)/[\w./-]*)`"
    for page in pages():
        for path in re.findall(named, page.read_text("utf-8")):
            to_be_written = re.search(r"butterflies|[A-Z]{4}/|NAME\.", path)
            assert to_be_written or (ROOT / path).exists(), f"{page}: {path}"


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 250
