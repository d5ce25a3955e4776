"""The programs that are compared: each downloads /0.jpg to /N.jpg to a directory, 64 at once."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CONCURRENCY = 64
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Contender:
    """A name, and the command that downloads N pictures from a base URL into a directory."""

    name: str
    command: Callable[[str, int, Path], list[str]]
    cwd: Path = ROOT


def _stock(pipeline: str) -> Callable[[str, int, Path], list[str]]:
    def command(base: str, n: int, out: Path) -> list[str]:
        name = f"scrapy.pipelines.{pipeline}.{pipeline.capitalize()}Pipeline"
        settings = {
            "ITEM_PIPELINES": json.dumps({name: 1}),
            f"{pipeline.upper()}_STORE": out,
            "CONCURRENT_REQUESTS": CONCURRENCY,
            "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENCY,
            "LOG_LEVEL": "WARNING",
            "TELNETCONSOLE_ENABLED": 0,
            "REMOTE_CONTROL_ENABLED": 0,
        }
        command = [sys.executable, "-m", "scrapy", "runspider", str(ROOT / "bench/stock.py")]
        for name, value in settings.items():
            command += ["-s", f"{name}={value}"]
        return [*command, "-a", f"kind={pipeline[:-1]}", "-a", f"base={base}", "-a", f"n={n}"]

    return command


def _imgcrawl(check: str) -> Callable[[str, int, Path], list[str]]:
    def command(base: str, n: int, out: Path) -> list[str]:
        settings = {
            "SPIDER_MODULES": "bench.spiders",
            "IMAGE_CHECK": check,
            "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
            "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENCY,
            "ITEMS_IN_FLIGHT_PER_HOST": CONCURRENCY + 8,
            "AUTOTHROTTLE_ENABLED": 0,
            "LOG_LEVEL": "WARNING",
            "HTTPCACHE_ENABLED": 0,
        }
        command = [sys.executable, "-m", "scrapy", "crawl", "numbered"]
        for name, value in settings.items():
            command += ["-s", f"{name}={value}"]
        return [*command, "-a", f"base={base}", "-a", f"n={n}", "-a", f"out={out}"]

    return command


def _img2dataset(program: str, *, reencode: bool) -> Callable[[str, int, Path], list[str]]:
    def command(base: str, n: int, out: Path) -> list[str]:
        out.mkdir(parents=True)
        urls = out / "urls.txt"
        urls.write_text("".join(f"{base}/{number}.jpg\n" for number in range(n)))
        options = {
            "url_list": urls,
            "output_folder": out / "files",
            "processes_count": 1,
            "thread_count": CONCURRENCY,
            "resize_mode": "no",
            "disable_all_reencoding": not reencode,
            "enable_wandb": False,
        }
        return [program, *(f"--{name}={value}" for name, value in options.items())]

    return command


def contenders() -> list[Contender]:
    """Return all that are installed; img2dataset is found by IMG2DATASET or on the PATH."""
    elsewhere = Path(tempfile.gettempdir())
    found = [
        # In another directory, or they would take this project's settings.
        Contender("scrapy ImagesPipeline", _stock("images"), elsewhere),
        Contender("scrapy FilesPipeline", _stock("files"), elsewhere),
        Contender("imgcrawl decode", _imgcrawl("decode")),
        Contender("imgcrawl header", _imgcrawl("header")),
    ]
    if program := os.environ.get("IMG2DATASET") or shutil.which("img2dataset"):
        found += [
            Contender("img2dataset", _img2dataset(program, reencode=True)),
            Contender("img2dataset raw", _img2dataset(program, reencode=False)),
        ]
    return found
