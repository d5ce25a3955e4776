"""``python -m replicas``: serve until stopped."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from aiohttp import web

from replicas import faults
from replicas.isic_records import IsicArchive
from replicas.options import add_options
from replicas.server import Replica, settings


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    text = options.faults or "[]"
    if not text.lstrip().startswith("["):
        text = Path(text).read_text("utf-8")  # noqa: ASYNC240 - before anything is served
    archive = IsicArchive(options.records, tiny=options.tiny, folder=options.isic)
    replica = Replica(archive, faults.parse(text), options.latency)
    runner = web.AppRunner(
        replica.app(), access_log=None, shutdown_timeout=0.5, max_line_size=1 << 16
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", options.port)
    await site.start()
    port = runner.addresses[0][1]
    base = f"http://127.0.0.1:{port}"
    arguments = " ".join(f"-s {name}={value}" for name, value in settings(base).items())
    sys.stdout.write(
        f"{base}\n\nTo crawl it:\n  scrapy crawl isic -a out=data/replica {arguments}\n"
    )
    sys.stdout.flush()
    if options.ready_file:
        options.ready_file.write_text(base)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Serve, with the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m replicas", description=__doc__)
    add_options(parser)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
