"""A file that is not complete yet, and what is known of it: kept across runs, kills and cuts."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgcrawl.download.errors import to_disk
from imgcrawl.storage.disk_sync import start_writing
from imgcrawl.storage.file_lock import NO_FOLLOW, NO_WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PIECE = 16 << 20  # bytes that are asked for at once; a kill costs so many at most, a connection
_MOST_CLAIMS = 500_000  # what is beyond is fetched again
_LONGEST_LINE = 4096  # characters of the journal; an address may take most of them


@dataclass(frozen=True, slots=True)
class Claim:
    """Bytes [start, end) that an earlier run wrote, and their SHA-256 in hexadecimal."""

    start: int
    end: int
    sha256: str


@dataclass(slots=True)
class PartialFile:
    """Bytes in `path`, and beside it a journal of those that are there, with their digests.

    The journal names the URL, the size and the validator (an ETag or a date) of the file that the
    bytes are of: those of another are not mixed with them. Bytes are on the disk before the journal
    claims them. What an earlier run claimed is no more than a claim: its digest proves it before
    the file is complete, so that a hole, zeros or other bytes are fetched again.
    """

    path: Path
    url: str = ""
    size: int | None = None
    validator: str | None = None
    done: list[tuple[int, int]] = field(default_factory=list)  # [start, end), apart and in order
    claims: dict[int, Claim] = field(default_factory=dict)  # of earlier runs, by their start
    _waiting: list[tuple[int, int]] = field(default_factory=list)  # written and in no journal
    _noting: threading.Lock = field(default_factory=threading.Lock)
    _lost: OSError | None = None  # a disk tells a failed sync once, and no later sync mends it
    _fd: int = -1

    @classmethod
    def opened(cls, path: Path, url: str) -> PartialFile:
        """Open the part at a path, with the bytes that an earlier run left of the same URL."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()  # in an OUT that came from others, it may lead anywhere
        part = cls(path, url)
        part._read_journal()
        part._fd = os.open(path, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o666)
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

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Yield bytes [start, end) as far as they are there, in pieces of 1 MiB or less."""
        while start < end and (data := os.pread(self._fd, min(1 << 20, end - start), start)):
            yield data
            start += len(data)

    def start_writing(self, start: int, end: int) -> None:
        """Let the system begin to bring written bytes to the disk: a sync finds less to do."""
        start_writing(self._fd, start, end)

    def forget_cached(self, end: int) -> None:
        """Let the system forget those of bytes [0, end) that will not be read again soon.

        What is in no journal yet will be, for its digest: from the disk it would take seconds.
        """
        end = min([end, *(start for start, _ in self._waiting)])
        os.posix_fadvise(self._fd, 0, end, os.POSIX_FADV_DONTNEED)

    def add(self, start: int, end: int) -> None:
        """Add bytes that have been written."""
        if start == end:
            return
        merged: list[tuple[int, int]] = []
        for a, b in sorted([*self.done, (start, end)]):
            if merged and a <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
            else:
                merged.append((a, b))
        self.done = merged
        self._waiting.append((start, end))

    def drop(self, claim: Claim) -> None:
        """Take back the bytes of an earlier run that are not what it had written."""
        del self.claims[claim.start]
        kept: list[tuple[int, int]] = []
        for a, b in self.done:
            kept += [(x, y) for x, y in ((a, min(b, claim.start)), (max(a, claim.end), b)) if x < y]
        self.done = kept

    @property
    def unnoted(self) -> int:
        """Bytes that were added and are in no journal."""
        return sum(end - start for start, end in self._waiting)

    def note(self) -> None:
        """Bring what was added to the disk, and then into the journal. Blocks; any thread.

        Without a validator there is no journal: nobody could say what the bytes are of.
        Raises RecordMissing (disk_full).
        """
        with self._noting, to_disk():
            stretches = self._waiting[:]  # another thread may add some
            if not stretches or not self.validator or self.size is None or self._fd < 0:
                self._waiting.clear()
                return
            for stretch in stretches:
                self.start_writing(*stretch)  # while the processor makes the digests
            digests = [hashlib.sha256() for _ in stretches]
            for (start, end), digest in zip(stretches, digests, strict=True):
                for data in self.read(start, end):
                    digest.update(data)
            del self._waiting[: len(stretches)]
            self._sync(os.fdatasync)
            lines = [
                json.dumps([*stretch, digest.hexdigest()])
                for stretch, digest in zip(stretches, digests, strict=True)
            ]
            self._append("\n".join(lines))

    def restart(self) -> None:
        """Forget all: the file at the other end is another by now."""
        with self._noting:
            self.size, self.validator, self.done, self.claims = None, None, [], {}
            self._waiting = []
            self._journal.unlink(missing_ok=True)
            os.ftruncate(self._fd, 0)

    def finish(self) -> None:
        """Finish a complete file: set its length, bring it to the disk, remove the journal."""
        with to_disk():
            if self.size is not None:
                os.ftruncate(self._fd, self.size)
            self._sync(os.fsync)
        self.close()
        self._journal.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file, which stays on disk."""
        with self._noting:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def discard(self) -> None:
        """Remove the file and its journal."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)

    def _sync(self, sync: Callable[[int], None]) -> None:
        """Bring the bytes to the disk. Raises OSError, and from then on at each call."""
        if self._lost is None:
            try:
                sync(self._fd)
            except OSError as error:
                self._lost = error
        if self._lost is not None:
            raise self._lost

    @property
    def _journal(self) -> Path:
        return self.path.with_suffix(".note")

    def _append(self, text: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_FOLLOW
        with open(os.open(self._journal, flags, 0o666), "a", encoding="utf-8") as file:  # noqa: PTH123
            if not file.tell():
                file.write(json.dumps([self.url, self.size, self.validator]) + "\n")
            file.write(f"\n{text}\n")  # the last line may have been cut

    def _read_journal(self) -> None:
        """Read what an earlier run claims; remove a journal of another file, or that is none."""
        try:
            fd = os.open(self._journal, os.O_RDONLY | NO_FOLLOW | NO_WAIT)
            with open(fd, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - of a descriptor
                url, size, validator = json.loads(file.readline(_LONGEST_LINE))
                if url != self.url or not validator or not isinstance(size, int):
                    raise ValueError("of another file")
                while (line := file.readline(_LONGEST_LINE)) and len(self.claims) < _MOST_CLAIMS:
                    self._read_claim(line, size)
            self.size, self.validator = size, str(validator)
        except (OSError, TypeError, ValueError, RecursionError):
            self.claims = {}
            self._journal.unlink(missing_ok=True)
        at = 0
        for claim in sorted(self.claims.values(), key=lambda claim: claim.start):
            if claim.start < at:
                del self.claims[claim.start]  # no run writes what is there already
                continue
            at = claim.end
            if self.done and self.done[-1][1] == claim.start:
                self.done[-1] = (self.done[-1][0], claim.end)
            else:
                self.done.append((claim.start, claim.end))

    def _read_claim(self, line: str, size: int) -> None:
        try:  # a line that was being written at a cut is none
            start, end, sha256 = json.loads(line)
            is_range = isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= size
            if is_range and isinstance(sha256, str):
                self.claims[start] = Claim(start, end, sha256)
        except (TypeError, ValueError, RecursionError):
            return
