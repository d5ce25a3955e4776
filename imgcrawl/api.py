"""``imgcrawl.open`` and ``imgcrawl.crawl``: datasets from a script or a notebook.

A crawl is a process of its own: a notebook runs a loop already, and a crawl needs signals, limits
and an exit status of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from imgcrawl.exports.opened import Dataset
from imgcrawl.records.errors import ArgumentError, ImgcrawlError
from imgcrawl.records.exit_status import ExitStatus, describe_status

_ROOT = Path(__file__).parent.parent


def open(out: str | Path) -> Dataset:  # noqa: A001 - imgcrawl.open(OUT), as a file is opened
    """Return the dataset in a folder. Raises OutputError if there is none."""
    return Dataset(out)


def crawl(spider: str, *, out: str | Path | None = None, **arguments: Any) -> Dataset:
    """Run a crawl to its end, show what it says, and return its dataset.

    arguments: those of ``scrapy spiders SPIDER``; ``settings`` is a dict of settings
    Raises ArgumentError for arguments that make no sense, and ImgcrawlError if it was stopped.
    """
    given = dict(arguments)
    settings = given.pop("settings", {})
    place = str(out) if out is not None else f"data/{spider}"
    command = [sys.executable, "-m", "imgcrawl", "crawl", spider, "-a", f"out={place}"]
    for name, value in given.items():
        command += ["-a", f"{name}={_typed(value)}"]
    for name, value in settings.items():
        command += ["-s", f"{name}={_typed(value)}"]
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(  # noqa: S603 - this program, and what its caller typed
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=env,
    ) as process:
        assert process.stdout is not None
        last: deque[str] = deque(maxlen=21)  # lines
        for line in process.stdout:
            last.append(line.rstrip())
            sys.stderr.write(line)
    status = process.returncode
    if status == ExitStatus.USAGE:
        raise ArgumentError("\n".join(last))
    if status not in {ExitStatus.COMPLETE, ExitStatus.SOME_MISSING}:
        words = "\n".join(last)
        raise ImgcrawlError(
            f"the crawl did not come to its end ({describe_status(status)})\n{words}"
        )
    return Dataset(place)


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
