"""Libraries that read files, each in a process of its own that a hostile file may take down.

The process opens nothing: it asks this one for bytes, piece by piece, so that it reads a file at
the far end of a network too. It has so much time and memory, and gets so many bytes, and no more.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import RecordMissing

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.microscopy.ranges import ByteRanges

_SECONDS = 20  # by the clock
_MAX_ANSWER, _MAX_PIECE, _MAX_BYTES = 64 << 10, 4 << 20, 64 << 20
# Libraries below numpy take memory for each processor; HDF5 loads filters from anywhere.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",
    "HDF5_USE_FILE_LOCKING": "FALSE",
}
READ, FOUND = b"R", b"F"
REQUEST, LENGTH = struct.Struct("<QI"), struct.Struct("<I")


def ask(script: Path, ranges: ByteRanges, size: int) -> dict[str, Any] | None:
    """Return what a script finds in a file of `size` bytes; None if it fails, or goes too far.

    script: reads requests' answers from its standard input, as `hdf5_child` does
    Raises OSError where bytes cannot be read.
    """
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    process = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-E", "-P", str(script), str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=kept | _ENVIRONMENT,
    )
    timer = threading.Timer(_SECONDS, process.kill)
    timer.start()
    try:
        return _serve(process, ranges)
    except (RecordMissing, BrokenPipeError, struct.error, ValueError):
        return None
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                _close(pipe)


def _serve(process: subprocess.Popen[bytes], ranges: ByteRanges) -> dict[str, Any] | None:
    assert process.stdin is not None
    assert process.stdout is not None
    left = _MAX_BYTES
    while (kind := process.stdout.read(1)) == READ:
        offset, length = REQUEST.unpack(process.stdout.read(REQUEST.size))
        left -= length
        if length > _MAX_PIECE or left < 0:
            return None
        data = ranges.read(offset, length)
        process.stdin.write(LENGTH.pack(len(data)) + data)
        process.stdin.flush()
    if kind != FOUND:
        return None
    (length,) = LENGTH.unpack(process.stdout.read(LENGTH.size))
    found = json.loads(process.stdout.read(min(length, _MAX_ANSWER)))
    return found if isinstance(found, dict) else None


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except BrokenPipeError:  # of what was still to be written
        return
