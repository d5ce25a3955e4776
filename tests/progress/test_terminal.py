"""What a person at a terminal sees of a crawl, and what is left when they break it off."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

SECONDS = 60  # until a crawl that does not end is taken for one that hangs
SHOW_CURSOR = b"\x1b[?25h"
HIDE_CURSOR = b"\x1b[?25l"


def at_terminal(
    command: list[str], *, columns: int, busy: Callable[[], None] | None = None
) -> tuple[int, bytes]:
    """(Exit status, all that was shown), told twice to stop once `busy` has returned."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    env.pop("COLUMNS", None)
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=env,
        start_new_session=True,
    )
    os.close(theirs)
    if busy is not None:
        busy()
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
        process.send_signal(signal.SIGTERM)  # two of one kind may come as one
    shown, end = b"", time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # nobody has the other end any more
            break
    os.close(ours)
    return process.wait(timeout=5), shown


@pytest.mark.slow
def test_a_narrow_window_shows_the_counts_and_the_time_left(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": "isic-s3/images", "kind": "latency", "ms": 300}])
    status, shown = at_terminal(crawl.command("isic", num_images=40), columns=40)
    assert status == 0, shown
    lines = shown.replace(b"\n", b"\r").split(b"\r")
    assert [line for line in lines if b"/40 " in line and b" left" in line and b"isic" in line]
    assert shown.rindex(SHOW_CURSOR) > shown.rindex(HIDE_CURSOR)


@pytest.mark.slow
def test_told_to_stop_twice_it_gives_the_terminal_back(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": "isic-s3/images", "kind": "hang", "seconds": 30}])
    command = crawl.command("isic", num_images=40)
    # Pictures that hang keep the first from ending it.
    status, shown = at_terminal(
        command, columns=100, busy=lambda: replica.until_asked("isic-s3/images")
    )
    assert status == 130, shown
    assert b"The same command goes on" in shown
    assert b"Traceback" not in shown
    assert shown.rindex(SHOW_CURSOR) > shown.rindex(HIDE_CURSOR)
    replica.faults([])
    again = crawl("isic", num_images=40)
    assert again.status == 0, again.log


@pytest.mark.slow
def test_that_nobody_reads_its_words_changes_nothing(crawl: Crawler) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        crawl.command("isic", num_images=3),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=SECONDS,
        check=False,
    )
    os.close(writer)
    assert ended.returncode == 0, ended.stderr
    assert b"Traceback" not in ended.stderr
    assert len(crawl.out().rows()) == 3
