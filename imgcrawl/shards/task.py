"""The task of a Dask worker: the crawl of one shard, started, watched and brought to its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scrapy.settings import Settings

from imgcrawl.progress.channel import receive
from imgcrawl.records.errors import ImgcrawlError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.shards.place import place_at
from imgcrawl.shards.plan import done, figures_of, mark_done
from imgcrawl.storage.directory import SUMMARY

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Worker

    from imgcrawl.progress.channel import Message

ROOT = Path(__file__).parents[2]  # of the project
LOCK_WAIT = 60.0  # seconds for the crawl of a worker that is gone to be gone too
_POLL = 0.25  # seconds
_stopped: set[str] = set()  # runs that are to stop on this worker


class ShardError(ImgcrawlError):
    """A shard's crawl did not come to its end; the engine tries it again."""


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard of a run, in what can be sent to another machine."""

    run: str
    k: int
    spider: str
    arguments: dict[str, str]
    settings: dict[str, Any]
    out: str  # of the whole: an absolute path, or an address
    directory: str  # where relative paths among the arguments begin
    fingerprint: str


def stop(run: str) -> None:
    """Let the crawls of a run on this worker finish what is under way, and start no more."""
    _stopped.add(run)


def run_shard(task: ShardTask) -> dict[str, Any]:
    """Crawl one shard to its end and return its summary; nothing is done if its marker is there.

    Raise ShardError if the crawl was stopped by anything but `stop`.
    """
    settings = project_settings(task.settings)
    place = place_at(task.out, settings)
    found = done(place, task.k, task.fingerprint, task.run, task.arguments.get("retry"))
    if found is not None:
        return found
    if task.run in _stopped:
        return {"exit_status": 128 + signal.SIGTERM}
    if not place.wait_until_free(task.k, LOCK_WAIT):
        raise ShardError(f"shard {task.k} of {place} is in use by another run.")
    place.remove(place.marker(task.k))
    log = place.log(task.k)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        status, message = _crawl(task, file)
    summary = place.read(f"shard={task.k}/{SUMMARY}")
    is_done = status in {ExitStatus.COMPLETE, ExitStatus.SOME_MISSING} and summary is not None
    place.ended(task.k, done=is_done)
    figures = figures_of(summary or {})
    if is_done:
        mark_done(place, task.k, task.fingerprint, task.run, figures)
        return figures
    if task.run in _stopped:
        return figures | {"exit_status": 128 + signal.SIGTERM}
    if status == ExitStatus.USAGE:
        return {"exit_status": status, "error": message}  # another try would end alike
    error = message or figures.get("error") or f"exit status {status}"
    raise ShardError(f"shard {task.k}: {error}. logs/shard={task.k}.log says more.")


def project_settings(given: dict[str, Any]) -> Settings:
    """Return this project's settings with those of the command line."""
    settings = Settings()
    settings.setmodule("imgcrawl.settings", priority="project")
    settings.setdict(given, priority="cmdline")
    return settings


def _crawl(task: ShardTask, log: IO[bytes]) -> tuple[int, str]:
    """Crawl in a fresh process; return its exit status, and its error, which may be empty."""
    directory = task.directory if Path(task.directory).is_dir() else str(ROOT)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "imgcrawl.shards.child", str(theirs.fileno())],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": path, "SCRAPY_SETTINGS_MODULE": "imgcrawl.settings"},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[theirs.fileno()],
            # Ctrl-C at a terminal is for the command, which stops the workers.
            start_new_session=True,
        )
        theirs.close()
        messages = _MessageReader(task)
        reader = threading.Thread(target=messages.run, args=(ours,), daemon=True)
        reader.start()
        _send(process, task, log)
        _wait_for_end(process, task)
        reader.join(timeout=5)
        with suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)  # ends a reader that still waits
    return process.returncode, messages.error


def _send(process: subprocess.Popen[bytes], task: ShardTask, log: IO[bytes]) -> None:
    assert process.stdin is not None
    sent = {name: getattr(task, name) for name in ("spider", "arguments", "settings")}
    try:
        process.stdin.write(json.dumps(sent).encode())
        process.stdin.close()
    except BrokenPipeError:
        log.write(b"The crawl ended before it was told what to do.\n")


def _wait_for_end(process: subprocess.Popen[bytes], task: ShardTask) -> None:
    """Wait until the crawl has ended; terminate it once it is cancelled."""
    is_cancelled = _cancellation_of(task)
    terminated = False
    while process.poll() is None:
        if not terminated and is_cancelled():
            process.terminate()
            terminated = True
        time.sleep(_POLL)


class _MessageReader:
    """Passes the progress of a crawl on to the client that follows the run, and keeps its error."""

    def __init__(self, task: ShardTask) -> None:
        from distributed import get_worker  # noqa: PLC0415 - see _cancellation_of

        self.error = ""
        self._task = task
        self._worker: Worker | None = None
        with suppress(ValueError):  # not called by a worker
            self._worker = get_worker()

    def run(self, end: socket.socket) -> None:
        """Read until the crawl has ended, in a thread."""
        asyncio.run(receive(end, self._on_message))

    def _on_message(self, message: Message) -> None:
        if "error" in message:
            self.error = message["error"] or self.error
        elif "done" in message and self._worker is not None:
            self._worker.log_event(self._task.run, {"k": self._task.k, **message})


def _cancellation_of(task: ShardTask) -> Callable[[], bool]:
    """Return a function that tells if the crawl is to stop: with the run, or with this task."""
    from distributed import get_worker  # noqa: PLC0415 - takes a second, and crawls need none of it

    try:
        worker = get_worker()
        key = worker.get_current_task()
    except ValueError:
        return lambda: task.run in _stopped

    def is_cancelled() -> bool:
        state = worker.state.tasks.get(key)
        return task.run in _stopped or state is None or state.state == "cancelled"

    return is_cancelled
