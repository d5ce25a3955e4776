"""The container's files, as far as they can be checked without an engine that builds them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, scrapy

TEXT = (ROOT / "Containerfile").read_text().replace("\\\n", "")
LINES = [line.split(None, 1) for line in TEXT.splitlines() if line and line[0] != "#"]


def steps(word: str) -> list[str]:
    return [rest for first, rest in LINES if first == word]


def test_each_step_but_the_system_is_one_that_make_runs() -> None:
    system = ("apt-get ", "useradd ", "install ", "rm ")
    commands = [part.strip() for step in steps("RUN") for part in step.split("&&")]
    made = [command for command in commands if not command.startswith(system)]
    assert made == ["make scrapyd-setup", "make browser"]
    makefile = (ROOT / "Makefile").read_text()
    for command in made:
        assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE)
    for step in steps("COPY"):
        *sources, _ = [word for word in step.split() if not word.startswith("--")]
        assert all((ROOT / source).exists() for source in sources)


def test_it_runs_as_a_user_and_refuses_to_be_open_without_a_password() -> None:
    assert steps("USER") == ["imgcrawl"]
    last = max(number for number, (first, _) in enumerate(LINES) if first == "USER")
    assert not any(first == "RUN" and "apt-get" in rest for first, rest in LINES[last:])
    command = shlex.split(steps("CMD")[0].translate(str.maketrans("", "", "[],")))
    assert command[0] == "scrapy"
    done = scrapy(*command[1:], env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 2
    assert "set SCRAPYD_PASSWORD" in done.stderr


@pytest.mark.slow
def test_compose_publishes_nothing_but_scrapyd_on_loopback() -> None:
    composed: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = composed["services"]
    assert set(services) == {"scrapyd", "scheduler", "worker"}
    assert services["scrapyd"]["ports"] == ["127.0.0.1:6800:6800"]
    assert "SCRAPYD_PASSWORD" in services["scrapyd"]["environment"]
    assert (ROOT / services["scrapyd"]["build"]["dockerfile"]).is_file()
    for name in ("scheduler", "worker"):
        assert "ports" not in services[name]
        assert services[name]["networks"] == ["cluster"]
        asked = subprocess.run(
            [sys.executable, "-m", *services[name]["command"], "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert asked.returncode == 0
        flags = [word for word in services[name]["command"] if word.startswith("--")]
        assert all(flag in asked.stdout for flag in flags)


def test_what_goes_into_the_container_is_the_project() -> None:
    ignored = (ROOT / ".containerignore").read_text()
    assert ignored == (ROOT / ".dockerignore").read_text()
    for name in (".git", ".venv", ".scrapyd", "data"):
        assert name in ignored.split()
