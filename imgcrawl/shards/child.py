"""One shard's crawl, in a process that dies with the worker that started it.

``python -m imgcrawl.shards.child PARENT``: what to crawl is read from standard input as JSON, how
far it is goes to standard output, a JSON object a line.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time

from scrapy.utils.project import get_project_settings

from imgcrawl.errors import ImgcrawlError
from imgcrawl.process import CrawlProcess

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """The exit status, as of ``scrapy crawl``."""
    die_with(int(sys.argv[1]))
    task = json.load(sys.stdin)
    report = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the log has what crawls print
    settings = get_project_settings()
    settings.setdict(task["settings"], priority="cmdline")
    extensions = settings.getdict("EXTENSIONS")
    extensions["imgcrawl.shards.reporter.Reporter"] = 15
    settings.set("EXTENSIONS", extensions, priority="cmdline")
    settings.set("SHARD_REPORT", report, priority="cmdline")
    status, error = CrawlProcess(settings).run(task["spider"], task["arguments"])
    if error is not None:
        words = str(error) if isinstance(error, ImgcrawlError) else repr(error)
        sys.stderr.write(f"{words}\n")
        os.write(report, (json.dumps({"error": words}) + "\n").encode())
    return status


def die_with(parent: int) -> None:
    """Let this process be killed the moment that its parent is gone.

    Two crawls would otherwise write to one shard: what the dead worker left, and its successor's.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
