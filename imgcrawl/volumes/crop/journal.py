"""The blocks of a box that are on the disk already: a line each, in a file beside the voxels.

A line in the file means a block on the disk: the voxels are brought there first, so that neither a
kill nor a power cut leaves a line without them.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from imgcrawl.records.volume import Chunks
from imgcrawl.storage.disk_sync import sync_file

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 1 << 28  # a longer file was not written here


class CropJournal:
    """The journal of one file of voxels. `done`: the chunks of each finished block, by number."""

    def __init__(self, path: Path) -> None:
        self._voxels = path
        self._path = path.with_name(f"{path.name}.blocks")
        self.done: dict[int, Chunks] = {}

    def begin(self, plan: dict[str, Any], blocks: int, *, keep: bool) -> None:
        """Read the finished blocks of the same plan, or start anew. Raises OSError.

        keep: whether the file with the voxels is what the journal is about
        """
        first = json.dumps(plan, sort_keys=True)
        if keep and self._path.is_file() and self._path.stat().st_size <= _MAX_BYTES:
            self.done = _read(self._path.read_bytes(), first, blocks)
        lines = [first, *(_line(number, chunks) for number, chunks in self.done.items())]
        # Anew each time: after a line that was cut off, the next would be lost with it.
        whole = self._path.with_name(f"{self._path.name}.new")
        whole.write_text("".join(f"{line}\n" for line in lines))
        whole.replace(self._path)

    def add(self, number: int, chunks: Chunks) -> None:
        """Note a block that has been written. Raises OSError."""
        sync_file(self._voxels)
        # Not created: the file may have been taken away meanwhile, and this be a late thread. One
        # write at the end, wherever that is by then: other threads add theirs at the same time.
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, f"{_line(number, chunks)}\n".encode())
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Remove the journal of a complete crop."""
        self._path.unlink(missing_ok=True)


def _line(number: int, chunks: Chunks) -> str:
    return f"{number} {chunks.present} {chunks.missing}"


def _read(body: bytes, first: str, blocks: int) -> dict[int, Chunks]:
    head, *lines = body.decode(errors="replace").split("\n")
    if head != first:
        return {}
    done: dict[int, Chunks] = {}
    for line in lines[:-1]:  # after the last newline is nothing, or a line that was cut off
        words = line.split(" ")
        if len(words) != 3 or not all(word.isascii() and word.isdigit() for word in words):
            return done
        number, present, missing = map(int, words)
        if number < blocks:
            done[number] = Chunks(present, missing)
    return done
