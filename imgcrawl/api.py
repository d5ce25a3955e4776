"""``imgcrawl.open`` and ``imgcrawl.crawl``: datasets from a script or a notebook.

A crawl is a process of its own: a notebook runs a loop already, and a crawl needs signals, limits
and an exit status of its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcrawl.exports.opened import Dataset
from imgcrawl.records.errors import ArgumentError, ImgcrawlError
from imgcrawl.records.exit_status import ExitStatus, describe_status

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path(__file__).parent.parent
_NEVER = 10**9  # seconds: the log of a crawl whose progress is shown does not repeat it


def open(  # noqa: A001 - imgcrawl.open(OUT), as a file is opened
    out: str | Path, *, settings: Mapping[str, Any] | None = None
) -> Dataset:
    """Return the dataset in a folder, or at s3:// or gs://. Raises OutputError if there is none.

    settings: of a store, ``AWS_ENDPOINT_URL`` and the like, if its environment does not say them
    """
    return Dataset(out, settings)


def crawl(spider: str, *, out: str | Path | None = None, **arguments: Any) -> Dataset:
    """Run a crawl to its end, show what it says and how far it is, and return its dataset.

    In a notebook and at a terminal there is a progress bar; elsewhere what it says goes to standard
    error.

    arguments: those of ``scrapy spiders SPIDER``; ``settings`` is a dict of settings
    Raises ArgumentError for arguments that make no sense, ImgcrawlError if it was stopped, and
    KeyboardInterrupt once the crawl that was interrupted has ended: the same call goes on from
    there.
    """
    from imgcrawl.progress.views import open_view  # noqa: PLC0415 - `open` needs none of it
    from imgcrawl.progress.watched import run_watched  # noqa: PLC0415

    given = dict(arguments)
    settings = given.pop("settings", {})
    place = str(out) if out is not None else f"data/{spider}"
    view = open_view()
    if view.draws:
        settings = {"LOGSTATS_INTERVAL": _NEVER, **settings}
    command = [sys.executable, "-m", "imgcrawl", "crawl", spider, "-a", f"out={place}"]
    for name, value in given.items():
        command += ["-a", f"{name}={_typed(value)}"]
    for name, value in settings.items():
        command += ["-s", f"{name}={_typed(value)}"]
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    ended = run_watched(command, spider, view, env)
    if ended.interrupted:
        raise KeyboardInterrupt
    words = "\n".join(ended.last)
    if ended.status == ExitStatus.USAGE:
        raise ArgumentError(words)
    if ended.status not in {ExitStatus.COMPLETE, ExitStatus.SOME_MISSING}:
        raise ImgcrawlError(
            f"the crawl did not come to its end ({describe_status(ended.status)})\n{words}"
        )
    return Dataset(place, settings)


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
