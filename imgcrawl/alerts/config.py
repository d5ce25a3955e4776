"""``[alert]`` of schedules.toml: which rules hold, and who is told in which way.

A text that begins with ``$`` names a variable of the environment: passwords, tokens and addresses
that are secrets stand nowhere else.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from imgcrawl.plans.entries import TomlTable, at_each_line, read_table, read_toml
from imgcrawl.records.errors import ArgumentError
from imgcrawl.text.sizes import size_of_text

if TYPE_CHECKING:
    from pathlib import Path

_DURATION = re.compile(r"(\d{1,6}) ?(s|m|h|d)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# What each way of telling needs, and what it may have.
_NEEDS = {
    "json": ({"url"}, {"token"}),
    "slack": ({"url"}, set()),
    "matrix": ({"server", "room", "token"}, set()),
    "mail": ({"server", "sender", "recipients"}, {"user", "password", "tls"}),
    "command": ({"command"}, set()),
}


class ChannelTable(TomlTable):
    """One ``[[alert.to]]``: a way in which people are told."""

    kind: Literal["json", "slack", "matrix", "mail", "command"]
    url: str = ""  # of a webhook
    token: str = ""  # sent as Authorization: Bearer
    server: str = ""  # https://matrix.example.org, or HOST:PORT of SMTP
    room: str = ""  # of Matrix: !id:server
    user: str = ""  # of SMTP
    password: str = ""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    sender: str = ""
    recipients: list[str] = Field(default=[])
    command: list[str] = Field(default=[])


class AlertTable(TomlTable):
    """``[alert]`` as it is written. A rule that is not named does not hold."""

    did_not_run: str | None = None  # how long after its time: "2h"
    failed: bool = False
    fewer_new: float | None = None  # than this part of the median of the last runs: 0.5
    missing_jump: float | None = None  # of the share that is missing, over the median: 0.05
    disk_below: str | None = None  # "50GB"
    verify: bool = False
    state: str = "data/alerts.json"
    to: list[dict[str, Any]] = Field(default=[])


class _File(TomlTable):
    alert: dict[str, Any] | None = None
    schedule: list[dict[str, Any]] = Field(default=[])


class AlertConfig:
    """The rules and the ways of telling, checked; times in seconds, sizes in bytes."""

    def __init__(self, table: AlertTable) -> None:
        """Raise ArgumentError with a line for each thing that is wrong."""
        wrong: list[str] = []
        self.table = table
        self.grace = _seconds(table.did_not_run, wrong)
        self.disk_below = _bytes(table.disk_below, wrong)
        for name, value in (
            ("fewer_new", table.fewer_new),
            ("missing_jump", table.missing_jump),
        ):
            if value is not None and not 0 < value <= 1:
                wrong.append(f"{name}: write a part of 1, such as 0.5")
        self.channels: dict[str, ChannelTable] = {}
        for number, given in enumerate(table.to, 1):
            try:
                channel = read_table(given, ChannelTable)
                _check(channel)
            except ArgumentError as error:
                wrong += at_each_line(f"to, number {number}: ", error).splitlines()
            else:
                self.channels[f"{channel.kind} {number}"] = channel
        if not table.to:
            wrong.append("nobody is told: write [[alert.to]] with a kind")
        if wrong:
            raise ArgumentError("\n".join(wrong))


def read_alerts(path: Path) -> AlertConfig | None:
    """Read ``[alert]`` of a schedules.toml; None without one. Raises ArgumentError."""
    given = read_toml(path, _File).alert
    if given is None:
        return None
    try:
        return AlertConfig(read_table(given, AlertTable))
    except ArgumentError as error:
        raise ArgumentError(at_each_line(f"{path}: [alert]: ", error)) from error


def secret(text: str) -> str:
    """Return a text, or what the environment has under its name. Raises ArgumentError."""
    if not _VARIABLE.fullmatch(text):
        return text
    value = os.environ.get(text[1:])
    if not value:
        raise ArgumentError(f"{text[1:]} is not set in the environment")
    return value


def _check(channel: ChannelTable) -> None:
    needed, allowed = _NEEDS[channel.kind]
    given = channel.model_fields_set - {"kind"}
    if missing := sorted(needed - {name for name in given if getattr(channel, name)}):
        raise ArgumentError(f"{channel.kind} needs {', '.join(missing)}")
    if odd := sorted(given - needed - allowed):
        raise ArgumentError(f"{channel.kind} has no {', '.join(odd)}")
    secrets = ["token", "password"] + (["url"] if channel.kind == "slack" else [])
    for name in secrets:
        text = getattr(channel, name)
        if text and not _VARIABLE.fullmatch(text):
            raise ArgumentError(
                f'{name} is a secret: write {name} = "$NAME", and set NAME in the environment'
            )
    for name in ("url", "server") if channel.kind != "mail" else ():
        text = getattr(channel, name)
        parts = urlsplit(text)
        if text and not _VARIABLE.fullmatch(text) and parts.scheme not in {"http", "https"}:
            raise ArgumentError(f"{name}: write an address that begins with https://")
        if parts.username or parts.password:
            raise ArgumentError(f'{name} has a password in it: write {name} = "$NAME"')
    if channel.password and not channel.user:
        raise ArgumentError("a password goes with a user")


def _seconds(text: str | None, wrong: list[str]) -> float | None:
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        wrong.append('did_not_run: write a time such as "30m", "2h" or "1d"')
        return None
    return int(match[1]) * _SECONDS[match[2]]


def _bytes(text: str | None, wrong: list[str]) -> int | None:
    size = None if text is None else size_of_text(text)
    if text is not None and size is None:
        wrong.append('disk_below: write a size such as "50GB"')
    return size
