"""``python -m scrapy`` in a process of its own, without waiting for its imports each time.

Some hundred tests start a crawl as a user does, and most of what a short crawl costs is the import
of Scrapy and its like. One process a test worker has imported them and waits; a command is a fork
of it that goes on from there: its own memory, arguments, environment, streams, signals and exit
status. Nothing of a crawl has run in the process that waits, and no reactor is installed there.

What is no such command, and all commands with ``IMGCRAWL_COLD=1`` or on a machine other than
Linux, start from nothing; so do those of plans, shards, schedules and of the docs, always.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WARM = (sys.executable, "-m", "scrapy")
# What is slow to import, is seldom asked for, and may start threads, which no fork survives.
COLD = {"imgcrawl.shards.cluster", "imgcrawl.scheduling.site"}
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_lock = threading.Lock()


class Popen(subprocess.Popen[str]):
    """A `subprocess.Popen`, forked from the process that waits where it can be."""

    def _execute_child(self, args: Any, *rest: Any) -> None:
        (executable, preexec, _, fds, cwd, env, _, _, shell), pipes = rest[:9], rest[9:15]
        env = dict(os.environ if env is None else env)
        if executable or preexec or fds or shell or not _is_warm(args, cwd, env):
            super()._execute_child(args, *rest)  # type: ignore[misc]
            return
        ours = (pipes[0], pipes[3], pipes[5])
        streams = [fd if fd != -1 else number for number, fd in enumerate(ours)]
        call = {"words": list(map(str, args[3:])), "env": env}
        with _lock:
            self.pid = _asked(_waiting(), call, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def run(
    command: list[str], *, stdin: str = "", timeout: float, **how: Any
) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` in the project's folder, forked where it can be; a status is no error."""
    if how.pop("capture_output", False):
        how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Popen(command, cwd=ROOT, stdin=subprocess.PIPE, text=True, **how) as process:
        try:
            out, err = process.communicate(stdin, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _is_warm(args: Any, cwd: Any, env: dict[str, str]) -> bool:
    if os.environ.get("IMGCRAWL_COLD") or sys.platform != "linux" or cwd != ROOT:
        return False
    # Modules that are found elsewhere than those that have been imported are another program.
    return tuple(args[:3]) == WARM and env.get("PYTHONPATH", "") in {"", str(ROOT)}


@functools.cache
def _waiting() -> socket.socket:
    """Start the process that waits, once a test worker; it ends with its worker."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tests.warm_start", str(theirs.fileno())]
    subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()
    return ours


def _asked(waiting: socket.socket, call: dict[str, Any], streams: list[int]) -> int:
    """Have a command begun with these streams. Returns its pid: it is a child of this process."""
    data = json.dumps(call).encode()
    # A child whose parent ends falls to the nearest such process: `subprocess` waits for its end.
    _adopt_orphans(True)
    try:
        socket.send_fds(waiting, [len(data).to_bytes(4)], streams)
        waiting.sendall(data)
        return int.from_bytes(waiting.recv(4, socket.MSG_WAITALL))
    finally:
        _adopt_orphans(False)


def _adopt_orphans(yes: bool) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)


def _import_all() -> None:
    for package in map(importlib.import_module, ("imgcrawl", "pipelines", "spiders")):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name not in COLD and "templates" not in module.name:
                importlib.import_module(module.name)
    for name in ("scrapy.cmdline", "scrapy.crawler", "scrapy_playwright.handler", "tensorstore"):
        importlib.import_module(name)
    assert "twisted.internet.reactor" not in sys.modules
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    gc.collect()
    gc.freeze()


def _serve(calls: socket.socket) -> dict[str, Any] | None:
    """Fork for each call; returns the call in the fork, and None once nobody can ask."""
    while header := socket.recv_fds(calls, 4, 3):
        length, streams, *_ = header
        if not length:
            return None
        call: dict[str, Any] = json.loads(calls.recv(int.from_bytes(length), socket.MSG_WAITALL))
        read, write = os.pipe()
        if (between := os.fork()) == 0:
            if (pid := os.fork()) == 0:
                calls.close()
                _take_streams(streams, read, write)
                return call
            os.write(write, pid.to_bytes(4))
            os._exit(0)
        os.waitpid(between, 0)
        calls.sendall(os.read(read, 4))
        for fd in (read, write, *streams):
            os.close(fd)
    return None


def _take_streams(streams: list[int], *others: int) -> None:
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
    for fd in {*streams, *others} - {0, 1, 2}:
        os.close(fd)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, "utf-8", "backslashreplace", closefd=False)


def _main(fd: int) -> None:
    _import_all()
    call = _serve(socket.socket(fileno=fd))
    if call is None:
        return
    random.seed()
    os.environ.clear()
    os.environ.update(call["env"])
    sys.argv = ["scrapy", *call["words"]]
    runpy.run_module("scrapy", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
