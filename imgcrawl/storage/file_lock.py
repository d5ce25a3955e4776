"""Locks on open files that end with the process, where the system has such: POSIX's flock.

Windows has none that allow a locked file to be read, as the holder's number is: there, a lock is on
one byte far behind the content (msvcrt).
"""

from __future__ import annotations

import os
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Flags that Windows lacks: there, no link is followed by accident, since few may make one.
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_BEHIND = 1 << 30  # the byte that is locked on Windows


def lock(file: IO[Any], *, wait: bool = False, shared: bool = False) -> None:
    """Lock an open file. Raises BlockingIOError if another has it, unless it is to be waited for.

    shared: only to learn whether another has it
    """
    if fcntl is not None:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
        return
    import msvcrt  # noqa: PLC0415 - of Windows alone

    system: Any = msvcrt
    at = os.lseek(file.fileno(), 0, os.SEEK_CUR)
    os.lseek(file.fileno(), _BEHIND, os.SEEK_SET)
    try:
        system.locking(file.fileno(), system.LK_LOCK if wait else system.LK_NBLCK, 1)
        if shared:
            system.locking(file.fileno(), system.LK_UNLCK, 1)
    except OSError as error:
        raise BlockingIOError(*error.args) from error
    finally:
        os.lseek(file.fileno(), at, os.SEEK_SET)
