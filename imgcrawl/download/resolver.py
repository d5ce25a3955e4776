"""Looking up names, in threads of its own."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult

# Lookups wait, they do not work. The loop's own few threads would all hang on dead names, and with
# them everything else that is done in a thread.
THREADS = 32


class Resolver(AbstractResolver):
    """The system's resolver, for ``aiohttp.TCPConnector``."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises ``socket.gaierror``."""
        look_up = partial(
            socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Shut the threads down without waiting for a lookup that hangs."""
        self._threads.shutdown(wait=False, cancel_futures=True)
