"""A command as a whole process: wall and CPU seconds, peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Measured:
    """One run."""

    wall: float  # seconds
    cpu: float  # user + system seconds of the process and its children
    rss: float  # peak of the largest process, MB
    status: int


def run(command: list[str], core: int | None = None, cwd: Path = ROOT) -> Measured:
    """Run a command to its end, on one core if `core` is given."""

    def pin() -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})

    started = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=cwd, stdout=log, stderr=log, preexec_fn=pin)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        if process.returncode not in {0, 3}:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-4000:])
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(wall, cpu, usage.ru_maxrss / 1024, process.returncode)


def in_memory() -> str | None:
    """Return a directory in memory, if there is one: the disk is not compared."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@contextmanager
def picture_server(
    core: int | None = None,
    *,
    tiny: bool = False,
    delay: float = 0.0,
    tls: bool = False,
    hosts: int = 1,
) -> Iterator[str]:
    """Start a server of pictures and give its base URL. delay: seconds of each answer."""
    with tempfile.TemporaryDirectory() as room:
        port_file = Path(room, "port")
        command = [sys.executable, "-m", "bench.server", "--port-file", str(port_file)]
        command += ["--hosts", str(hosts)]
        command += ["--tiny"] if tiny else []
        command += ["--tls"] if tls else []
        command += ["--delay", str(delay)] if delay else []
        if core is not None:
            command += ["--core", str(core)]
        server = subprocess.Popen(command, cwd=ROOT)
        try:
            while not (port_file.exists() and port_file.read_text()):
                if server.poll() is not None:
                    raise SystemExit("the server of pictures did not start")
                time.sleep(0.05)
            if tls:  # for clients that cannot be told to take any certificate
                os.environ["SSL_CERT_FILE"] = str(port_file.with_suffix(".pem"))
            yield f"http{'s' if tls else ''}://127.0.0.1:{port_file.read_text()}"
        finally:
            os.environ.pop("SSL_CERT_FILE", None)
            server.terminate()
            server.wait()
