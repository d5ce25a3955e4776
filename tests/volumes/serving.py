"""A folder of volumes behind HTTP, as a store has them."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Store:
    """What is served, and what was asked for."""

    root: Path
    url: str = ""
    delay: float = 0.0  # seconds before a chunk is sent
    asked: list[str] = field(default_factory=list)

    def chunks(self) -> list[str]:
        """The chunks that were asked for."""
        return [path for path in self.asked if path.rpartition("/")[2][:1].isdigit()]


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: object, store: Store) -> None:
        self.store = store
        super().__init__(*args, directory=str(store.root))  # type: ignore[arg-type] # of sockets

    def do_GET(self) -> None:
        self.store.asked.append(self.path)
        if self.path.rpartition("/")[2][:1].isdigit():
            time.sleep(self.store.delay)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@contextmanager
def served(root: Path) -> Iterator[Store]:
    """The folder at 127.0.0.1, until the end."""
    store = Store(root)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, store=store))
    store.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
