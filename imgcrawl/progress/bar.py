"""The bar of a crawl that a notebook, or a script at a terminal, has started, if tqdm is there.

The crawl is another process, which tells how far it is on a socket.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from imgcrawl.progress.channel import receive
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from imgcrawl.progress.channel import Message


def has_bar() -> bool:
    """Return whether somebody looks who can be shown a bar."""
    looked_at = "ipykernel" in sys.modules or sys.stderr.isatty()
    return looked_at and sys.platform != "win32" and find_spec("tqdm") is not None


class CrawlBar:
    """Shows the messages of one crawl. fd: of the socket that its process is to be handed."""

    def __init__(self, name: str) -> None:
        self._bar: Any = import_module("tqdm.auto").tqdm(desc=name, unit=" records")
        self._ours, self._theirs = socket.socketpair()
        self.fd = self._theirs.fileno()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def started(self) -> None:
        """Leave the other end to the crawl alone: closed there, it means that it has ended."""
        self._theirs.close()

    def _listen(self) -> None:
        asyncio.run(receive(self._ours, self._show))

    def _show(self, message: Message) -> None:
        if "done" not in message:
            return
        self._bar.total = message["expected"]
        size = format_size(message["bytes"])
        self._bar.set_postfix_str(f"{message['missing']:,} missing, {size}", refresh=False)
        self._bar.n = message["done"]
        self._bar.refresh()

    def close(self) -> None:
        """End the bar as it stands."""
        self._theirs.close()
        self._thread.join(10)
        self._ours.close()
        self._bar.close()
