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

from bench.addresses import LOOPBACK, address

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Condition:
    """How the pictures are served.

    at_once: requests; hosts: over how many the pictures are spread; delay: seconds of an answer
    """

    name: str = "one host, at hand"
    at_once: int = 64
    hosts: int = 1
    delay: float = 0.0
    tls: bool = False

    @property
    def at_once_a_host(self) -> int:
        """The number of requests to each host."""
        return max(4, self.at_once // self.hosts)


@dataclass(frozen=True)
class Contender:
    """A name, and the command that downloads N pictures from a base URL into a directory."""

    name: str
    command: Callable[[str, int, Path], list[str]]
    cwd: Path = ROOT


def _stock(pipeline: str, condition: Condition) -> Callable[[str, int, Path], list[str]]:
    def command(base: str, n: int, out: Path) -> list[str]:
        name = f"scrapy.pipelines.{pipeline}.{pipeline.capitalize()}Pipeline"
        settings = {
            "ITEM_PIPELINES": json.dumps({name: 1}),
            f"{pipeline.upper()}_STORE": out,
            "CONCURRENT_REQUESTS": condition.at_once,
            "CONCURRENT_REQUESTS_PER_DOMAIN": condition.at_once_a_host,
            "LOG_LEVEL": "WARNING",
            "TELNETCONSOLE_ENABLED": 0,
            "REMOTE_CONTROL_ENABLED": 0,
        }
        command = [sys.executable, "-m", "scrapy", "runspider", str(ROOT / "bench/stock.py")]
        for name, value in settings.items():
            command += ["-s", f"{name}={value}"]
        command += ["-a", f"kind={pipeline[:-1]}", "-a", f"base={base}", "-a", f"n={n}"]
        return [*command, "-a", f"hosts={condition.hosts}"]

    return command


def _imgcrawl(check: str, condition: Condition) -> Callable[[str, int, Path], list[str]]:
    def command(base: str, n: int, out: Path) -> list[str]:
        settings = {
            "SPIDER_MODULES": "bench.spiders",
            "IMAGE_CHECK": check,
            "ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
            "CONCURRENT_REQUESTS_PER_DOMAIN": condition.at_once_a_host,
            "ITEMS_IN_FLIGHT_PER_HOST": condition.at_once_a_host + 8,
            "ITEMS_IN_FLIGHT": max(128, condition.at_once + 16),
            "AUTOTHROTTLE_ENABLED": 0,
            "LOG_LEVEL": "WARNING",
            "HTTPCACHE_ENABLED": 0,
        }
        if condition.tls:
            settings["INSECURE_TLS_HOSTS"] = LOOPBACK
        command = [sys.executable, "-m", "scrapy", "crawl", "numbered"]
        for name, value in settings.items():
            command += ["-s", f"{name}={value}"]
        command += ["-a", f"base={base}", "-a", f"n={n}", "-a", f"out={out}"]
        return command if condition.hosts == 1 else [*command, "-a", f"hosts={condition.hosts}"]

    return command


def _img2dataset(
    program: str, condition: Condition, *, reencode: bool
) -> Callable[[str, int, Path], list[str]]:
    def command(base: str, n: int, out: Path) -> list[str]:
        out.mkdir(parents=True)
        urls = out / "urls.txt"
        lines = (address(base, number, condition.hosts) for number in range(n))
        urls.write_text("".join(f"{line}\n" for line in lines))
        options = {
            "url_list": urls,
            "output_folder": out / "files",
            "processes_count": 1,
            "thread_count": condition.at_once,
            "resize_mode": "no",
            "disable_all_reencoding": not reencode,
            "enable_wandb": False,
        }
        return [program, *(f"--{name}={value}" for name, value in options.items())]

    return command


def _bare(condition: Condition) -> Callable[[str, int, Path], list[str]]:
    def command(base: str, n: int, out: Path) -> list[str]:
        words = [base, str(n), str(out), str(condition.at_once), str(condition.hosts)]
        return [sys.executable, "-m", "bench.bare", *words]

    return command


def _curl(condition: Condition) -> Callable[[str, int, Path], list[str]]:
    def command(base: str, n: int, out: Path) -> list[str]:
        out.mkdir(parents=True)
        lines = (
            f'url = "{address(base, number, condition.hosts)}"\noutput = "{out}/{number}.jpg"\n'
            for number in range(n)
        )
        (out / "urls").write_text("".join(lines))
        options = ["--insecure", "--silent", "--fail", "--parallel"]
        options += ["--parallel-max", str(condition.at_once), "--config", str(out / "urls")]
        return ["curl", *options]

    return command


def contenders(condition: Condition = Condition()) -> list[Contender]:
    """Return all that are installed; img2dataset is found by IMG2DATASET or on the PATH."""
    elsewhere = Path(tempfile.gettempdir())
    found = [
        # In another directory, or they would take this project's settings.
        Contender("scrapy ImagesPipeline", _stock("images", condition), elsewhere),
        Contender("scrapy FilesPipeline", _stock("files", condition), elsewhere),
        Contender("imgcrawl decode", _imgcrawl("decode", condition)),
        Contender("imgcrawl header", _imgcrawl("header", condition)),
    ]
    if program := os.environ.get("IMG2DATASET") or shutil.which("img2dataset"):
        found += [
            Contender("img2dataset", _img2dataset(program, condition, reencode=True)),
            Contender("img2dataset raw", _img2dataset(program, condition, reencode=False)),
        ]
    return found


def bare_clients(condition: Condition) -> list[Contender]:
    """Return programs that fetch and write, and nothing else."""
    found = [Contender("bare aiohttp", _bare(condition))]
    if shutil.which("curl"):
        found.append(Contender("curl", _curl(condition)))
    return found
