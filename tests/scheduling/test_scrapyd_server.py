"""The configuration of Scrapyd: what is written is what Scrapyd reads, whatever the words."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgcrawl.records.errors import ArgumentError
from imgcrawl.scheduling.scrapyd import ScrapydServer, saved_password
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1)


@given(PRINTABLE.filter(lambda text: text == text.strip() and "/" not in text and text != ".."))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_scrapyd_reads_back_what_was_meant(tmp_path: Path, words: str) -> None:
    from scrapyd.config import Config

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRAPYD_PASSWORD", words)
        patch.setenv("SCRAPYD_USERNAME", words)
        home = tmp_path / f"100% {words[:40]}"
        ScrapydServer(home, tmp_path, port=1234).prepare(ROOT / "scrapyd.conf")
        patch.chdir(home)
        config = Config()
    assert config.get("password") == config.get("username") == words
    assert config.get("logs_dir") == str(home / "logs")
    assert config.getint("http_port") == 1234
    assert config.get("bind_address") == "127.0.0.1"
    assert config.get("jobstorage") == "scrapyd.jobstorage.SqliteJobStorage"


@pytest.mark.parametrize("words", [" a", "a\nbind_address = 0.0.0.0", "a\x00b", "a\u2028b"])
@pytest.mark.parametrize("name", ["SCRAPYD_PASSWORD", "SCRAPYD_USERNAME"])
def test_words_that_would_write_more_than_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    if "\0" in words:
        monkeypatch.setattr("os.environ", {name: words})  # no system lets it in
    else:
        monkeypatch.setenv(name, words)
    with pytest.raises(ArgumentError, match=name):
        ScrapydServer(tmp_path / "home", tmp_path).prepare(ROOT / "scrapyd.conf")
    assert not list((tmp_path / "home").iterdir())


def test_a_password_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCRAPYD_PASSWORD", raising=False)
    home = tmp_path / "home"
    assert saved_password(home) is None
    first = ScrapydServer(home, tmp_path).prepare(ROOT / "scrapyd.conf")
    assert len(first) >= 32
    assert (
        ScrapydServer(home, tmp_path).prepare(tmp_path / "no.conf") == first == saved_password(home)
    )
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for path in home.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_job_knows_no_password_and_no_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRAPYD_PASSWORD", "secret")
    monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "imgcrawl.settings")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:/else/where")
    environment = ScrapydServer(tmp_path, tmp_path).environment()
    assert "secret" not in environment.values()
    assert "SCRAPY_SETTINGS_MODULE" not in environment
    assert environment["PYTHONPATH"] == "/else/where"
    assert environment["IMGCRAWL_DIR"] == str(tmp_path)
    inside = ScrapydServer(tmp_path, tmp_path, checkout=ROOT).environment()
    assert inside["PYTHONPATH"] == f"{ROOT}:/else/where"
