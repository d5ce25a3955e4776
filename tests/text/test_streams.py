"""What reads or does not read the output of a crawl changes neither its work nor its end."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Crawler

BROKEN = ["2>&-", ">/dev/full 2>/dev/full", "2>&1 | head -c 1", "<&- >&- 2>&-"]


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN)
def test_a_crawl_ends_as_ever(crawl: Crawler, broken: str, tmp_path: Path) -> None:
    command = shlex.join(crawl.command("isic", num_images=5))
    script = f"set -o pipefail; {command} {broken}"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(["bash", "-c", script], cwd=ROOT, env=env, check=False, timeout=120)
    assert ended.returncode == 0
    assert len(crawl.out().rows()) == 5
    crawl.out().verify()


@pytest.mark.slow
@pytest.mark.parametrize("broken", [">&-", ">/dev/full"])
def test_another_command_ends_as_ever(broken: str, tmp_path: Path) -> None:
    script = f"{sys.executable} -m scrapy spiders {broken}"
    ended = subprocess.run(["bash", "-c", script], cwd=ROOT, check=False, timeout=60)
    assert ended.returncode == 0
