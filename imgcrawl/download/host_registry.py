"""The file in which the jobs of a machine tell each other of hosts: who asks one, and how it does.

A place at a host is a lock on a byte of the file (an open file description lock of Linux). The
kernel gives it back when the job that has it ends, however it ends; so there is no server to start
and no lease to expire. What is known of a host is a record of fixed size, in one of the eight
places of its row: the file never grows, and what nobody has asked for longest makes way.

Locks lie behind the records, at numbers that no byte has: for each row a mutex, for each host one
byte for its probe, one for each of its places, and one for each job that wants more of them.
"""

from __future__ import annotations

import errno
import math
import os
import stat
import struct
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from imgcrawl.storage.file_lock import NO_FOLLOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

FILE = "hosts"
PLACES = 128  # at one host; a job whose limit is higher gets no more
_JOBS = 64  # that want more of one host; what is beyond them is not told apart
_ROWS = 2048
_IN_ROW = 8
_NUMBERS = struct.Struct("<16s7d2?2Id")
_RECORD = 256  # bytes: the numbers, then a text that ends with zeros
_NOTE = _RECORD - _NUMBERS.size
_HEADER = 4096
_HOLDERS = _HEADER + _ROWS * _IN_ROW * _RECORD  # where the process numbers of holders stand
_HOLDER_ROWS = 4096  # hosts that share one see each other's: a hint, and no more
_NUMBER = struct.Struct("<I")
_SIZE = _HOLDERS + _HOLDER_ROWS * PLACES * _NUMBER.size
_MAGIC = b"imgcrawl hosts 2\n"
_FLOCK = struct.Struct("hhqqi0q")  # struct flock of fcntl(2)
_MUTEXES = 1 << 40
_HOSTS = 1 << 41
_LONGEST = 400 * 86400.0  # seconds from now, beyond which no time in a record can be meant
_PATIENCE = 40  # tries for a mutex, which nobody has for longer than it takes to read and write
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(slots=True)
class HostRecord:
    """What the jobs of a machine know of one host; times are those of the monotonic clock.

    sent_at:        when the last request was begun, by any of them
    paused_until:   before that it asked for nothing (Retry-After)
    cooling_until:  before that its breaker lets no probe through
    down_until:     before that it is given up
    pace:           seconds between requests, because it said 429 or 503; 0 for none
    slowed_at:      when that was last made longer
    refused_since:  since when it has said nothing else; infinite if it has
    is_open:        whether its breaker lets nothing but probes through
    is_refusal:     whether it has itself asked to be given up
    failed_probes:  in a row
    sent_by:        number of the process that sent the last request
    written_at:     when this was written
    note:           what it said, or how it failed; ASCII, empty while it does well
    """

    sent_at: float = 0.0
    paused_until: float = 0.0
    cooling_until: float = 0.0
    down_until: float = 0.0
    pace: float = 0.0
    slowed_at: float = 0.0
    refused_since: float = math.inf
    is_open: bool = False
    is_refusal: bool = False
    failed_probes: int = 0
    sent_by: int = 0
    written_at: float = 0.0
    note: str = ""

    def pack(self, digest: bytes) -> bytes:
        """Return the bytes of this record."""
        numbers = _NUMBERS.pack(digest, self.sent_at, *self.health()[:-1], *self._written())
        return numbers + self.note.encode("ascii", "replace").ljust(_NOTE, b"\0")

    def health(self) -> tuple[object, ...]:
        """Return all but when and by whom a request was sent, and this written."""
        return (  # a tuple that is written out takes a tenth of the time of astuple()
            *(self.paused_until, self.cooling_until, self.down_until),
            *(self.pace, self.slowed_at, self.refused_since),
            *(self.is_open, self.is_refusal, self.failed_probes, self.note),
        )

    def _written(self) -> tuple[int, float]:
        return self.sent_by, self.written_at

    def say(self, note: str) -> None:
        """Set the note, as far as there is room."""
        self.note = ascii(note)[1:-1][:_NOTE]

    def is_well(self) -> bool:
        """Return whether nothing is known against the host."""
        return not (self.paused_until or self.down_until or self.pace or self.is_open)

    @classmethod
    def unpack(cls, data: bytes, now: float) -> HostRecord:
        """Return the record of these bytes. Raises ValueError if no job can have written them."""
        _, *numbers = _NUMBERS.unpack_from(data)
        found = cls(*numbers)
        found.note = data[_NUMBERS.size :].rstrip(b"\0").decode("ascii", "replace")
        times = (found.paused_until, found.cooling_until, found.down_until, found.pace)
        past = (found.sent_at, found.slowed_at, found.written_at)
        if not all(0 <= at <= now + _LONGEST for at in times):
            raise ValueError("a time that cannot be")
        if not all(0 <= at <= now + 1 for at in past) or math.isnan(found.refused_since):
            raise ValueError("a time that is still to come")
        return found


@dataclass(frozen=True, slots=True)
class HostKey:
    """Where a host is in the file."""

    digest: bytes
    row: int  # offset in bytes
    locks: int  # the first of its bytes that are locked
    holders: int  # where the numbers of the processes that have its places stand

    @classmethod
    def of(cls, name: str) -> HostKey:
        """Return the key of a host's name, which may be any text."""
        return cls.of_digest(blake2b(name.encode("utf-8", "replace"), digest_size=16).digest())

    @classmethod
    def of_digest(cls, digest: bytes) -> HostKey:
        """Return the key of a host by what its record begins with."""
        number = int.from_bytes(digest[:8], "little")
        row = _HEADER + number % _ROWS * _IN_ROW * _RECORD
        holders = _HOLDERS + number % _HOLDER_ROWS * PLACES * _NUMBER.size
        return cls(digest, row, _HOSTS + (number >> 16) * 256, holders)


class HostRegistry:
    """The file, open. Raises OSError where it cannot be had; so does every method.

    damaged: how many records and files have been found that no job had written, and begun anew
    """

    def __init__(self, folder: Path) -> None:
        if not hasattr(fcntl, "F_OFD_SETLK"):
            raise OSError(errno.ENOSYS, "this system has no locks of open files")
        self.path = folder / FILE
        self.damaged = 0
        self._fd = -1
        self._open()

    def _open(self) -> None:
        _require_own(self.path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | NO_FOLLOW
        self._fd = os.open(self.path, flags, 0o600)
        header = _header()
        with self._mutex(_MUTEXES - 1):
            found = os.pread(self._fd, len(header), 0)
            if found == header and os.fstat(self._fd).st_size == _SIZE:
                return
            # Written by another version or before the last boot is no damage.
            self.damaged += bool(found) and not found.startswith(_MAGIC)
            os.ftruncate(self._fd, 0)
            os.ftruncate(self._fd, _SIZE)
            os.pwrite(self._fd, header, 0)

    def close(self) -> None:
        """Close the file: all of this job's places are free."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def reopen(self) -> None:
        """Open the file that is there by now, or make one; this job's places are free."""
        self.close()
        self._open()

    def is_current(self) -> bool:
        """Return whether the file is still the one that others find under its name, and whole."""
        try:
            there, ours = self.path.stat(), os.fstat(self._fd)
        except OSError:
            return False
        return (there.st_ino, there.st_dev, ours.st_size) == (ours.st_ino, ours.st_dev, _SIZE)

    def exclusive(self, host: HostKey) -> AbstractContextManager[None]:
        """Let no other job change the record of a host meanwhile."""
        return self._mutex(_MUTEXES + host.row)

    @contextmanager
    def _mutex(self, at: int) -> Iterator[None]:
        # A job that was suspended right here must not hold up the others: after some
        # milliseconds they go on without.
        held = False
        for _ in range(_PATIENCE):
            if held := self._lock(at):
                break
            time.sleep(0.0002)
        try:
            yield
        finally:
            if held:
                self._unlock(at)

    def read(self, host: HostKey) -> HostRecord:
        """Return what is known of a host; an empty record if nothing is."""
        row = os.pread(self._fd, _IN_ROW * _RECORD, host.row)
        at = _find(row, host.digest)
        if at is None:
            return HostRecord()
        try:
            return HostRecord.unpack(row[at : at + _RECORD], time.monotonic())
        except (ValueError, struct.error):
            self.damaged += 1
            os.pwrite(self._fd, bytes(_RECORD), host.row + at)
            return HostRecord()

    def write(self, host: HostKey, record: HostRecord) -> None:
        """Write what is known of a host, in the place of what has been so for longest."""
        row = os.pread(self._fd, _IN_ROW * _RECORD, host.row)
        at = _find(row, host.digest)
        if at is None:
            at = _oldest(row)
        record.written_at = time.monotonic()
        os.pwrite(self._fd, record.pack(host.digest), host.row + at)

    def known(self) -> Iterator[tuple[HostKey, HostRecord]]:
        """Yield what is known of each host."""
        now = time.monotonic()
        for offset in range(_HEADER, _SIZE, _IN_ROW * _RECORD):
            row = os.pread(self._fd, _IN_ROW * _RECORD, offset)
            for at in range(0, len(row) - _RECORD + 1, _RECORD):
                digest = row[at : at + 16]
                if any(digest):
                    with suppress(ValueError):
                        record = HostRecord.unpack(row[at : at + _RECORD], now)
                        yield HostKey.of_digest(digest), record

    def take(self, host: HostKey, place: int) -> bool:
        """Take one place of a host, of 0 to PLACES - 1. Return False if another job has it."""
        if not self._lock(host.locks + 1 + place):
            return False
        pid = _NUMBER.pack(os.getpid())
        os.pwrite(self._fd, pid, host.holders + place * _NUMBER.size)
        return True

    def n_suspended(self, host: HostKey, limit: int) -> int:
        """Return how many of a host's first `limit` places are those of suspended processes."""
        pids = os.pread(self._fd, limit * _NUMBER.size, host.holders)
        return sum(_is_suspended(pid) for (pid,) in _NUMBER.iter_unpack(pids) if pid)

    def give_back(self, host: HostKey, place: int) -> None:
        """Give a place back."""
        os.pwrite(self._fd, bytes(_NUMBER.size), host.holders + place * _NUMBER.size)
        self._unlock(host.locks + 1 + place)

    def probe(self, host: HostKey) -> bool:
        """Take the right to send the one probe. Return False if another job has it."""
        return self._lock(host.locks)

    def end_probe(self, host: HostKey) -> None:
        """Give the right to send the probe back."""
        self._unlock(host.locks)

    def want(self, host: HostKey) -> int | None:
        """Say that this job wants more of a host than it has; return its number among these."""
        first = host.locks + 1 + PLACES
        return next((job for job in range(_JOBS) if self._lock(first + job)), None)

    def want_no_more(self, host: HostKey, number: int) -> None:
        """Take that back."""
        self._unlock(host.locks + 1 + PLACES + number)

    def others(self, host: HostKey) -> list[int]:
        """Return the numbers of the other jobs that want more of a host than they have."""
        first, last = host.locks + 1 + PLACES, host.locks + 1 + PLACES + _JOBS
        if self._holder(first, last) is None:
            return []
        return [at - first for at in range(first, last) if self._holder(at, at + 1) is not None]

    def _lock(self, at: int) -> bool:
        try:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, 0, at, 1, 0))
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(self, at: int) -> None:
        fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, 0, at, 1, 0))

    def _holder(self, first: int, last: int) -> int | None:
        """Return a byte of these that another open file has locked, or None."""
        asked = _FLOCK.pack(fcntl.F_WRLCK, 0, first, last - first, 0)
        kind, _, at, _, _ = _FLOCK.unpack(fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, asked))
        return None if kind == fcntl.F_UNLCK else max(at, first)


def _is_suspended(pid: int) -> bool:
    """Return whether a process is stopped by a signal, as by Ctrl-Z."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b") ")[2][:1] in {b"T", b"t"}


def _find(row: bytes, digest: bytes) -> int | None:
    at = row.find(digest)
    while at >= 0:
        if at % _RECORD == 0 and at + _RECORD <= len(row):
            return at
        at = row.find(digest, at + 1)
    return None


def _oldest(row: bytes) -> int:
    """Return the place in a row of what was written first, or of nothing."""
    row = row.ljust(_IN_ROW * _RECORD, b"\0")
    written = struct.Struct("<d")
    at = _NUMBERS.size - written.size
    places = range(0, _IN_ROW * _RECORD, _RECORD)
    return min(places, key=lambda place: written.unpack_from(row, place + at)[0])


def _header() -> bytes:
    """Return what the file begins with: the times in it are those since the last boot."""
    try:
        boot = _BOOT.read_bytes()
    except OSError:
        boot = b"?\n"
    return _MAGIC + boot


def _require_own(folder: Path) -> None:
    """Make a folder that nobody else can write to. Raises OSError if it is another's."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise OSError(errno.EPERM, f"{folder} is not a folder of this user's own")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        folder.chmod(0o700)
