"""What a Dask worker does: the crawl of one shard, started, watched and brought to its end."""

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

from imgcrawl.progress.channel import receive
from imgcrawl.records.errors import ImgcrawlError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.shards.plan import DONE, done, mark_done, read_json
from imgcrawl.storage.directory import SUMMARY, holder_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Worker

    from imgcrawl.progress.channel import Message

ROOT = Path(__file__).parents[2]  # of the project
LOCK_WAIT = 60.0  # seconds for the crawl of a worker that is gone to be gone too
_LOOK = 0.25  # seconds
_stopped: set[str] = set()  # runs that this worker was told to stop


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
    folder: str
    log: str
    directory: str  # where relative paths among the arguments begin
    fingerprint: str


def stop(run: str) -> None:
    """Let the crawls of a run on this worker finish what is under way, and start no more."""
    _stopped.add(run)


def run_shard(task: ShardTask) -> dict[str, Any]:
    """Crawl one shard to its end; its summary. Nothing is done where its marker says so.

    Raises ShardError where the crawl was stopped by anything but `stop`.
    """
    folder = Path(task.folder)
    found = done(folder, task.fingerprint, task.run, task.arguments.get("retry"))
    if found is not None:
        return found
    if task.run in _stopped:
        return {"exit_status": 128 + signal.SIGTERM}
    _wait_for_lock(folder)
    (folder / DONE).unlink(missing_ok=True)
    Path(task.log).parent.mkdir(parents=True, exist_ok=True)
    with Path(task.log).open("ab") as log:
        status, words = _crawl(task, log)
    summary = read_json(folder / SUMMARY)
    if status in {ExitStatus.COMPLETE, ExitStatus.SOME_MISSING} and summary is not None:
        mark_done(folder, task.fingerprint, task.run, summary)
        return summary
    if task.run in _stopped:
        return (summary or {}) | {"exit_status": 128 + signal.SIGTERM}
    if status == ExitStatus.USAGE:
        return {"exit_status": status, "error": words}  # another try would say the same
    error = words or (summary or {}).get("error") or f"exit status {status}"
    raise ShardError(f"shard {task.k}: {error}. {task.log} says more.")


def _crawl(task: ShardTask, log: IO[bytes]) -> tuple[int, str]:
    """The exit status of a fresh process, and its words where it did not even start."""
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
            # Ctrl-C at a terminal is for the command, which tells the workers.
            start_new_session=True,
        )
        theirs.close()
        hearing = _Hearing(task)
        reader = threading.Thread(target=hearing.run, args=(ours,), daemon=True)
        reader.start()
        _send(process, task, log)
        _to_its_end(process, task)
        reader.join(timeout=5)
        with suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)  # a reader that waits still is let go
    return process.returncode, hearing.error


def _send(process: subprocess.Popen[bytes], task: ShardTask, log: IO[bytes]) -> None:
    assert process.stdin is not None
    sent = {name: getattr(task, name) for name in ("spider", "arguments", "settings")}
    try:
        process.stdin.write(json.dumps(sent).encode())
        process.stdin.close()
    except BrokenPipeError:
        log.write(b"The crawl ended before it was told what to do.\n")


def _to_its_end(process: subprocess.Popen[bytes], task: ShardTask) -> None:
    unwanted = _unwanted(task)
    told = False
    while process.poll() is None:
        if not told and unwanted():
            process.terminate()
            told = True
        time.sleep(_LOOK)


class _Hearing:
    """What a crawl says: how far it is goes to whoever follows the run, an error is kept."""

    def __init__(self, task: ShardTask) -> None:
        from distributed import get_worker  # noqa: PLC0415 - see _unwanted

        self.error = ""
        self._task = task
        self._worker: Worker | None = None
        with suppress(ValueError):  # it was called by none
            self._worker = get_worker()

    def run(self, end: socket.socket) -> None:
        """Listen until the crawl has ended, in a thread."""
        asyncio.run(receive(end, self._hear))

    def _hear(self, message: Message) -> None:
        if "error" in message:
            self.error = message["error"] or self.error
        elif "done" in message and self._worker is not None:
            self._worker.log_event(self._task.run, {"k": self._task.k, **message})


def _unwanted(task: ShardTask) -> Callable[[], bool]:
    """Tells whether the crawl is to stop: the run is, or nobody waits for this task any more."""
    from distributed import get_worker  # noqa: PLC0415 - takes a second, and crawls need none of it

    try:
        worker = get_worker()
        key = worker.get_current_task()
    except ValueError:
        return lambda: task.run in _stopped

    def look() -> bool:
        state = worker.state.tasks.get(key)
        return task.run in _stopped or state is None or state.state == "cancelled"

    return look


def _wait_for_lock(folder: Path) -> None:
    until = time.monotonic() + LOCK_WAIT
    while holder_of(folder)[0]:
        if time.monotonic() > until:
            raise ShardError(f"{folder} is in use by another run.")
        time.sleep(_LOOK)
