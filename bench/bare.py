"""What a client costs that checks nothing: ``python -m bench.bare BASE N OUT AT_ONCE HOSTS``.

aiohttp, a file a picture; certificates are not looked at.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import ClientSession, TCPConnector

from bench.addresses import address


async def fetch_all(base: str, n: int, out: Path, at_once: int, hosts: int) -> None:
    """Fetch N pictures, so many at once."""
    numbers = iter(range(n))
    async with ClientSession(connector=TCPConnector(limit=at_once, ssl=False)) as session:

        async def work() -> None:
            for number in numbers:
                async with session.get(address(base, number, hosts)) as response:
                    response.raise_for_status()
                    (out / f"{number}.jpg").write_bytes(await response.read())

        await asyncio.gather(*(work() for _ in range(at_once)))


if __name__ == "__main__":
    base, n, out, at_once, hosts = sys.argv[1:]
    Path(out).mkdir(parents=True)
    asyncio.run(fetch_all(base, int(n), Path(out), int(at_once), int(hosts)))
