"""Standard output and error that never fail: a full or closed one changes nothing of the work."""

from __future__ import annotations

import io
import os
import sys


class _TolerantWriter(io.RawIOBase):
    """The raw stream of a file descriptor, whose bytes are lost where it does not take them."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def write(self, data: object) -> int:
        """Write bytes, and return how many are dealt with: all that a broken stream refuses."""
        view = memoryview(data)  # type: ignore[arg-type] # what BufferedWriter hands over
        try:
            return os.write(self._fd, view)
        except BlockingIOError:
            raise
        except OSError:  # EPIPE: the reader has left; ENOSPC: the log's disk is full; EIO
            return view.nbytes

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._fd

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return os.isatty(self._fd)


def tolerate_broken_streams() -> None:
    """Replace standard output and error by streams that never raise for what reads them.

    A closed descriptor is opened on the null device first: the next file to be opened, a ledger
    perhaps, would get its number, and with it all that is printed. Streams that somebody has
    replaced already stay as they are.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):
            continue
        setattr(
            sys,
            name,
            io.TextIOWrapper(
                io.BufferedWriter(_TolerantWriter(fd)),
                encoding=getattr(stream, "encoding", None) or "utf-8",
                errors="backslashreplace",
                line_buffering=fd == 2 or os.isatty(fd),
            ),
        )
