"""The socket on which a crawl sends its progress to the process that started it: lines of JSON.

Neither end can hold up the other: a message without room is dropped, and a line has a longest
length. An end that is closed means that its process is dead.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TEXT = 2000  # characters of a warning or an error; the log has all of it
_MAX_LINE = 1 << 16  # bytes
_NO_MESSAGE = b"\0"  # stands for a line that was too long

Message: TypeAlias = dict[str, Any]


class ProgressSocket:
    """The crawl's end of the socket. Any thread may call it."""

    def __init__(self, fd: int) -> None:
        """Take the descriptor that this process was handed."""
        self._socket = socket.socket(fileno=fd)
        self._socket.set_inheritable(False)  # a browser does not inherit it
        self._unsent = b""
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a line without waiting; one that went out in part is finished before the next."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            self._unsent = self._send_now(self._unsent)
            if not self._unsent:
                rest = self._send_now(line)
                self._unsent = b"" if rest == line else rest

    def wait_for_death(self) -> None:
        """Block until the process at the other end is gone."""
        with suppress(OSError):  # it died with messages of ours unread
            while self._socket.recv(1):
                continue

    def _send_now(self, data: bytes) -> bytes:
        """Send as much of `data` as there is room for; return the rest."""
        try:
            return data[self._socket.send(data, socket.MSG_DONTWAIT) :] if data else data
        except OSError:  # no room, or nobody there: see wait_for_death
            return data


async def receive(end: socket.socket, on_message: Callable[[Message], None]) -> None:
    """Hand each message of a crawl to `on_message`, until its process has closed its end.

    A line that is no message is skipped. `end` stays open: closed, it would mean our death.
    """
    end.setblocking(False)
    loop = asyncio.get_running_loop()
    rest = b""
    with suppress(ConnectionError):  # it died
        while data := await loop.sock_recv(end, _MAX_LINE):
            *lines, rest = (rest + data).split(b"\n")
            for message in filter(None, map(_read, lines)):
                on_message(message)
            if len(rest) > _MAX_LINE:
                rest = _NO_MESSAGE


def _read(line: bytes) -> Message | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
