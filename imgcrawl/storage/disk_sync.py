"""Bring what was written to the disk, so that a power cut takes nothing that was claimed."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
# Linux, with glibc and musl. Offsets have 64 bits in both on every machine.
_SYNC_FILE_RANGE = getattr(_LIBC, "sync_file_range", None)
if _SYNC_FILE_RANGE is not None:
    _SYNC_FILE_RANGE.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_WRITE = 2  # SYNC_FILE_RANGE_WRITE
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}


class DiskSync:
    """The file system of a folder, to be brought to its disk as a whole.

    One call serves a batch of any number of files: each of them by itself would cost a commit of
    the file system's journal. Raises OSError if the folder cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        # Linux; syncfs(2) tells of errors of the disk since Linux 5.8.
        self._syncfs = getattr(_LIBC, "syncfs", None)

    def __call__(self) -> None:
        """Return once all that was written before is on the disk. Blocks. Raises OSError."""
        if self._syncfs is not None and self._syncfs(self._fd) == 0:
            return
        number = ctypes.get_errno()
        if self._syncfs is not None and number not in _UNKNOWN:
            raise OSError(number, os.strerror(number))
        os.sync()

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._fd)


def sync_file(path: Path) -> None:
    """Return once the bytes of a file are on the disk. Blocks. Raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        getattr(os, "fdatasync", os.fsync)(fd)  # macOS has no fdatasync
    finally:
        os.close(fd)


def start_writing(fd: int, start: int, end: int) -> None:
    """Let the system begin to write bytes [start, end) of a file, where it knows how.

    No promise: only a sync says that they are on the disk. It has the less to do then.
    """
    if _SYNC_FILE_RANGE is not None:
        _SYNC_FILE_RANGE(fd, start, end - start, _WRITE)
