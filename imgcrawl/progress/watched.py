"""A crawl in a process of its own, for a program that waits for it and shows how far it is."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import socket
import subprocess
import threading
from collections import deque
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeAlias

from imgcrawl.progress.channel import receive
from imgcrawl.progress.row import CrawlPhase, ProgressRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgcrawl.progress.channel import Message
    from imgcrawl.progress.views import View

KEPT = 21  # lines of what it said last
_PHASES = {0: CrawlPhase.DONE, 3: CrawlPhase.MISSING}
_POSIX = os.name == "posix"
# Ctrl-C goes to this process alone, which hands it on, once.
_OWN_GROUP: dict[str, Any] = {"process_group": 0} if _POSIX else {}

_Heard: TypeAlias = "str | Message | None"  # a line, a message of progress, or the end of the lines


class Ended(NamedTuple):
    """How a crawl ended. last: its last lines; interrupted: whether it was asked to stop."""

    status: int
    last: list[str]
    interrupted: bool


def run_watched(command: list[str], name: str, view: View, env: Mapping[str, str]) -> Ended:
    """Run a crawl to its end, and show what it says and how far it is.

    A KeyboardInterrupt stops the crawl as Ctrl-C does at a terminal: what is under way is finished.
    A second one breaks that off, a third one kills it. If this process dies, so does the crawl; the
    same command goes on from there.

    command: of ``imgcrawl crawl``; name: that progress is shown under
    """
    heard: queue.SimpleQueue[_Heard] = queue.SimpleQueue()
    row = ProgressRow(name)
    last: deque[str] = deque(maxlen=KEPT)
    interrupts = 0
    ours, theirs = socket.socketpair()
    with ours, theirs, closing(view), _start(command, theirs, env) as process:
        theirs.close()  # the other end of ours is the crawl's alone: its end is that of progress
        listeners = [
            threading.Thread(target=_read_lines, args=(process.stdout, heard), daemon=True),
            threading.Thread(target=_receive, args=(ours, heard), daemon=True),
        ]
        for listener in listeners:
            listener.start()
        try:
            while True:
                try:
                    if not _show(heard.get(), view, row, last):
                        break
                except KeyboardInterrupt:
                    interrupts += 1
                    _interrupt(process, interrupts)
                    if interrupts == 1:
                        view.say("Stopping: what is under way is finished. Interrupt again to end.")
            row.phase = _PHASES.get(process.wait(), CrawlPhase.FAILED)
            if interrupts:
                row.phase = CrawlPhase.STOPPED
            listeners[1].join(timeout=5)  # seconds: the crawl's last message is on its way
            while not heard.empty():
                _show(heard.get(), view, row, last)
            view.show(row)
        finally:  # the view failed: a crawl that nobody watches is not left behind
            if process.poll() is None:
                process.kill()
    return Ended(process.returncode, [*last], bool(interrupts))


def _start(
    command: list[str], theirs: socket.socket, env: Mapping[str, str]
) -> subprocess.Popen[str]:
    if _POSIX:  # elsewhere no process is handed a socket: there is no progress, but the lines
        command = [*command, "-s", f"PROGRESS_FD={theirs.fileno()}"]
    return subprocess.Popen(  # noqa: S603 - this program, and what its caller typed
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=env,
        pass_fds=[theirs.fileno()] if _POSIX else (),
        **_OWN_GROUP,
    )


def _interrupt(process: subprocess.Popen[str], times: int) -> None:
    if not _POSIX:
        process.terminate()
    elif times > 2:
        process.kill()
    else:
        process.send_signal(signal.SIGINT)


def _show(heard: _Heard, view: View, row: ProgressRow, last: deque[str]) -> bool:
    """Show one thing that was heard; return False at the end of the lines."""
    if heard is None:
        return False
    if isinstance(heard, str):
        last.append(heard)
        view.say(heard)
    elif "done" in heard:
        row.update(heard)
        view.show(row)
    return True


def _read_lines(stream: IO[str], heard: queue.SimpleQueue[_Heard]) -> None:
    for line in stream:
        heard.put(line.rstrip())
    heard.put(None)


def _receive(end: socket.socket, heard: queue.SimpleQueue[_Heard]) -> None:
    # A loop of this thread: that of a notebook is busy with its cell.
    asyncio.run(receive(end, heard.put))
