"""One shard's crawl, in a process that dies with the worker that started it.

``python -m imgcrawl.shards.child FD``: the task is read from standard input as JSON, and progress
is sent on the socket whose descriptor is FD.
"""

from __future__ import annotations

import json
import os
import sys

from scrapy.utils.project import get_project_settings

from imgcrawl.crawl.process import CrawlProcess
from imgcrawl.progress.channel import MAX_TEXT, ProgressSocket
from imgcrawl.records.errors import ImgcrawlError


def main() -> int:
    """Crawl, and return the exit status, as of ``scrapy crawl``."""
    fd = int(sys.argv[1])
    worker = ProgressSocket(os.dup(fd))  # the crawl's own is there only once the crawl has begun
    task = json.load(sys.stdin)
    settings = get_project_settings()
    settings.setdict(task["settings"], priority="cmdline")
    settings.set("PROGRESS_FD", fd, priority="cmdline")
    status, error = CrawlProcess(settings).run(task["spider"], task["arguments"])
    if error is not None:
        message = str(error) if isinstance(error, ImgcrawlError) else repr(error)
        sys.stderr.write(f"{message}\n")
        worker.send({"error": message[:MAX_TEXT]})
    return status


if __name__ == "__main__":
    sys.exit(main())
