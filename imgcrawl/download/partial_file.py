"""A file that is not complete yet, and what is known of it: kept across runs and kills."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgcrawl.download.errors import to_disk

if TYPE_CHECKING:
    from pathlib import Path

PIECE = 16 << 20  # bytes that are asked for at once; a kill costs so many at most, a connection


@dataclass(slots=True)
class PartialFile:
    """Bytes in `path`, and beside it, in a small file, which of them are there.

    The note is written after the bytes that it speaks of, and never before: whatever kills the
    process, it does not claim too much. It names the URL, the size and the validator (an ETag or a
    date) of the file that the bytes are of: those of another are not mixed with them.
    """

    path: Path
    url: str = ""
    size: int | None = None
    validator: str | None = None
    done: list[tuple[int, int]] = field(default_factory=list)  # [start, end), apart and in order
    _fd: int = -1

    @classmethod
    def opened(cls, path: Path, url: str) -> PartialFile:
        """Open the part at a path, with the bytes that an earlier run left of the same URL."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()  # in an OUT that came from others, it may lead anywhere
        part = cls(path, url)
        try:
            note = json.loads(part._note.read_text("utf-8"))
            if note["url"] == url and note["validator"] and path.stat().st_size >= note["end"]:
                part.size, part.validator = note["size"], note["validator"]
                part.done = [(int(start), int(end)) for start, end in note["done"]]
        except (OSError, ValueError, KeyError, TypeError):
            part.done = []
        part._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        return part

    @property
    def received(self) -> int:
        """Bytes that are there."""
        return sum(end - start for start, end in self.done)

    @property
    def prefix(self) -> int:
        """Bytes that are there from the beginning on without a gap."""
        return self.done[0][1] if self.done and self.done[0][0] == 0 else 0

    def missing(self) -> list[tuple[int, int]]:
        """Return the missing ranges in pieces. The size must be known."""
        assert self.size is not None
        gaps, at = [], 0
        for start, end in [*self.done, (self.size, self.size)]:
            gaps += [(a, min(a + PIECE, start)) for a in range(at, start, PIECE)]
            at = end
        return gaps

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes to their place. Raises RecordMissing (disk_full)."""
        with to_disk():
            view = memoryview(data)
            while view:
                written = os.pwrite(self._fd, view, offset)
                view, offset = view[written:], offset + written

    def add(self, start: int, end: int) -> None:
        """Note bytes that have been written."""
        merged: list[tuple[int, int]] = []
        for a, b in sorted([*self.done, (start, end)]):
            if merged and a <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
            else:
                merged.append((a, b))
        self.done = merged
        if self.validator and self.size is not None:
            self._write_note()

    def restart(self) -> None:
        """Forget all: the file at the other end is another by now."""
        self.size, self.validator, self.done = None, None, []
        self._note.unlink(missing_ok=True)
        os.ftruncate(self._fd, 0)

    def finish(self) -> None:
        """Finish a complete file: set its length and remove the note."""
        if self.size is not None:
            os.ftruncate(self._fd, self.size)
        self.close()
        self._note.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file, which stays on disk."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Remove the file and its note."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".json")

    def _write_note(self) -> None:
        note = {
            "url": self.url,
            "size": self.size,
            "validator": self.validator,
            "done": self.done,
            "end": max((end for _, end in self.done), default=0),
        }
        temporary = self.path.with_suffix(".note")
        temporary.unlink(missing_ok=True)  # whatever lies there, a link is not written through
        temporary.write_text(json.dumps(note), "utf-8")
        temporary.replace(self._note)
