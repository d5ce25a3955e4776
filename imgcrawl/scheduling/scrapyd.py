"""Scrapyd's own folder: its configuration, and a password that only its owner can read.

Scrapyd reads the nearest ``scrapy.cfg`` above its working directory after all other files, so the
one that is written here is what holds.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import secrets
import urllib.request
from configparser import ConfigParser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from pathlib import Path

USER = "imgcrawl"  # unless SCRAPYD_USERNAME names another
PROJECT = "imgcrawl"  # the name that jobs are scheduled under
_CHECKOUT_ONLY = ("addversion.json", "delversion.json", "delproject.json")


@dataclass(frozen=True, slots=True)
class ScrapydServer:
    """A Scrapyd to be started.

    home: its working directory, with the eggs, the logs and the queue
    base: where relative paths in the arguments of jobs begin
    checkout: the project to run without eggs; None: what is deployed
    """

    home: Path
    base: Path
    host: str = "127.0.0.1"
    port: int = 6800
    checkout: Path | None = None

    def prepare(self, defaults: Path) -> str:
        """Make the folder and its configuration, and return the password.

        defaults: a scrapyd.conf
        Raise ArgumentError if the address is open to others without a password of one's own.
        """
        given = os.environ.get("SCRAPYD_PASSWORD", "")
        if not given and not _is_loopback(self.host):
            raise ArgumentError(
                f"--host {self.host} can be reached by others: set SCRAPYD_PASSWORD in the "
                "environment, or leave out --host."
            )
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = given or saved_password(self.home) or secrets.token_urlsafe(24)
        user = os.environ.get("SCRAPYD_USERNAME") or USER
        for name, text in (("SCRAPYD_PASSWORD", password), ("SCRAPYD_USERNAME", user)):
            if not text.isprintable() or text != text.strip():
                raise ArgumentError(f"{name} has blanks around it or control characters in it")
        _write_private(self.home / "password", password + "\n")
        _write_private(self.home / "scrapy.cfg", self._configuration(defaults, user, password))
        return password

    def environment(self) -> dict[str, str]:
        """Return the environment of Scrapyd, and so of its jobs."""
        secret = {"SCRAPYD_PASSWORD", "SCRAPYD_USERNAME"}  # no job needs them
        inherited = {name: value for name, value in os.environ.items() if name not in secret}
        # Scrapy's own command line has set it; in a job it would stand for the egg's.
        inherited.pop("SCRAPY_SETTINGS_MODULE", None)
        # A checkout among the module paths would be run in place of the egg.
        paths = inherited.pop("PYTHONPATH", "").split(os.pathsep)
        kept = [path for path in paths if path and not _is_checkout(path)]
        if self.checkout is not None:
            kept.insert(0, str(self.checkout))
        if kept:
            inherited["PYTHONPATH"] = os.pathsep.join(kept)
        return inherited | {"IMGCRAWL_DIR": str(self.base)}

    def _configuration(self, defaults: Path, user: str, password: str) -> str:
        parser = ConfigParser(interpolation=None)
        parser.read(defaults, encoding="utf-8")
        if not parser.has_section("scrapyd"):
            parser.add_section("scrapyd")
        own = {
            "bind_address": self.host,
            "http_port": str(self.port),
            "username": user,
            "password": password,
            "eggs_dir": str(self.home / "eggs"),
            "logs_dir": str(self.home / "logs"),
            "dbs_dir": str(self.home / "dbs"),
            "webroot": "imgcrawl.scheduling.site.Root",
            "launcher": "imgcrawl.scheduling.site.Launcher",
        }
        for name, value in own.items():
            parser.set("scrapyd", name, value.replace("%", "%%"))
        if self.checkout is not None:
            parser["settings"] = {PROJECT: "imgcrawl.settings"}
            # An egg that was put here would be taken, and never run.
            parser["services"] = dict.fromkeys(_CHECKOUT_ONLY, "")
        lines = ["# Made by `scrapy scrapyd` at each start, from scrapyd.conf and its options."]
        for section in parser.sections():
            lines += ["", f"[{section}]", *(f"{n} = {v}" for n, v in parser.items(section))]
        return "\n".join(lines) + "\n"


def ask_status(home: Path, port: int) -> dict[str, Any]:
    """Ask the Scrapyd of `home` for its status: how many jobs wait, run and have ended.

    Raise OSError if it does not answer or does not know the password, ValueError if something
    else answers.
    """
    user = os.environ.get("SCRAPYD_USERNAME") or USER
    password = os.environ.get("SCRAPYD_PASSWORD") or saved_password(home) or ""
    url = f"http://127.0.0.1:{port}/daemonstatus.json"
    secret = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {secret}"})
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - http, on loopback
        status = json.loads(answer.read(1 << 16))
    if not isinstance(status, dict) or status.get("status") != "ok":
        raise ValueError(f"{url} answers, but is no Scrapyd that is well: {status}")
    return status


def saved_password(home: Path) -> str | None:
    """Return the password that an earlier start has left, if any."""
    try:
        return (home / "password").read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_checkout(path: str) -> bool:
    return os.path.isfile(os.path.join(path, "imgcrawl", "settings.py"))  # noqa: PTH113, PTH118 - any text


def _write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read; it never has other rights, nor half the text."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
