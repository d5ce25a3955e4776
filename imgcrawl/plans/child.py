"""One crawl of a plan in a process of its own, which sends its progress and dies with this one."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import IO, TYPE_CHECKING

from imgcrawl.plans.entries import crawl_command
from imgcrawl.progress.channel import receive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imgcrawl.plans.file import PlannedCrawl
    from imgcrawl.progress.channel import Message

LOG = "crawl.log"
OLD_LOG = "crawl.log.1"  # that of the run before


class CrawlChild:
    """A crawl's process, from its start to its end."""

    def __init__(self, crawl: PlannedCrawl, overrides: dict[str, str]) -> None:
        """Take a crawl, and the settings of the command line that override the plan's."""
        self.crawl = crawl
        self._overrides = overrides
        self._process: asyncio.subprocess.Process | None = None
        self._pending: int | None = None  # a signal that came before there was a process

    async def run(self, on_message: Callable[[Message], None]) -> int:
        """Crawl to the end, handing each message of the crawl to `on_message`; return its code.

        Raise OSError if the process or its log cannot be made.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with self._open_log() as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[theirs.fileno()],
                    # Ctrl-C goes to this process alone, which hands it on, once.
                    process_group=0,
                )
            if self._pending is not None:
                self.signal(self._pending)
            theirs.close()
            # Open until the process has ended: it takes the end of it for our death.
            await receive(ours, on_message)
            return await self._process.wait()

    def signal(self, signum: int) -> None:
        """Hand on a signal, unless the crawl has ended."""
        if self._process is None:
            self._pending = signum
        elif self._process.returncode is None:
            self._process.send_signal(signum)

    def last_log_line(self) -> str:
        """Return the last line of the log: what was wrong, if the crawl could not send it."""
        with (self.crawl.out / LOG).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
            lines = file.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _open_log(self) -> IO[bytes]:
        """Open an empty log; that of the run before is kept beside it."""
        path: Path = self.crawl.out / LOG
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.replace(self.crawl.out / OLD_LOG)
        return path.open("wb")

    def _command(self, fd: int) -> list[str]:
        crawl = self.crawl
        settings = {**crawl.settings, **self._overrides, "PROGRESS_FD": str(fd)}
        return crawl_command(crawl.spider, {**crawl.arguments, "out": str(crawl.out)}, settings)
