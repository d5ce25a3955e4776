"""Which browser is taken, and how it is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imgcrawl.browser.chromium import find_browser, launch_options, require_browser
from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any browser."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return str(path)


def test_the_setting_comes_first(tmp_path: Path) -> None:
    program(tmp_path / "bin/chromium")
    mine = program(tmp_path / "my chromium")
    assert find_browser(mine) == mine
    assert find_browser("chromium") == str(tmp_path / "bin/chromium")
    assert find_browser(str(tmp_path / "none")) is None


def test_then_playwrights_newest(tmp_path: Path) -> None:
    program(tmp_path / "bin/chromium")
    room = tmp_path / "playwright"
    program(room / "chromium-999/chrome-linux/chrome")
    newer = program(room / "chromium_headless_shell-1200/chrome-linux/headless_shell")
    assert find_browser() == newer
    newer = program(room / "chromium-1200/chrome-linux64/chrome")
    assert find_browser() == newer
    (room / "chromium-1300/chrome-linux").mkdir(parents=True)  # half installed
    assert find_browser() == newer


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_then_what_is_on_the_path(name: str, tmp_path: Path) -> None:
    assert find_browser() is None
    assert find_browser("") is None
    assert program(tmp_path / "bin" / name) == find_browser()


def test_without_one_it_says_what_to_type() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)playwright install chromium.*BROWSER_PATH="):
        require_browser()
    with pytest.raises(ArgumentError, match="/x/y \\(BROWSER_PATH\\) is no program"):
        launch_options("/x/y")


def test_no_sandbox_only_as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin/chromium")
    for user in (0, 1000):
        monkeypatch.setattr("os.geteuid", lambda user=user: user)
        options = launch_options()
        assert options["chromium_sandbox"] is (user != 0)
        assert "--disable-quic" in options["args"]
