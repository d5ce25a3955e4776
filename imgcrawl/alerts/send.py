"""The ways in which an alert reaches people: a webhook, Slack, Matrix, mail, a command.

Every way raises NotSent, whose words have no secret in them; none waits for long.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import smtplib
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from imgcrawl.alerts.config import secret
from imgcrawl.records.errors import ArgumentError
from imgcrawl.text.redact import plain_text, printable, without_secrets

if TYPE_CHECKING:
    from imgcrawl.alerts.config import ChannelTable

TIMEOUT = 20.0  # seconds that an answer may take; a command has three times as long
_MAX_WORDS = 1500  # characters


class NotSent(Exception):  # noqa: N818 - what became of it, and no fault of ours
    """An alert that a way did not take; it is tried again."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What is told. state: bad | good | test; since: UTC, ISO 8601."""

    schedule: str
    rule: str
    state: str
    since: str
    words: str
    out: str = ""

    @property
    def text(self) -> str:
        """One line for people."""
        head = {"bad": "", "good": "good again: ", "test": "a test: "}[self.state]
        words = printable(without_secrets(self.words), _MAX_WORDS)
        return f"imgcrawl: {self.schedule}: {head}{words}"

    def as_json(self) -> dict[str, Any]:
        """Return all fields, for programs."""
        clean = {name: plain_text(text) for name, text in asdict(self).items()}
        return clean | {"text": self.text, "host": socket.gethostname()}


def send(channel: ChannelTable, alert: Alert) -> None:
    """Tell people in one way. Raises NotSent."""
    try:
        match channel.kind:
            case "json":
                _post(secret(channel.url), alert.as_json(), channel.token)
            case "slack":
                _post(secret(channel.url), {"text": _slack(alert.text)}, "")
            case "matrix":
                _matrix(channel, alert)
            case "mail":
                _mail(channel, alert)
            case "command":
                _run(channel, alert)
    except ArgumentError as error:
        raise NotSent(str(error)) from None


def _slack(text: str) -> str:
    """Return a text as Slack wants it (https://docs.slack.dev/messaging/formatting-message-text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _matrix(channel: ChannelTable, alert: Alert) -> None:
    """Send as the Client-Server API v1.11 has it; the same alert twice is one message there."""
    seed = f"{alert.schedule}|{alert.rule}|{alert.state}|{alert.since}"
    transaction = hashlib.sha256(seed.encode()).hexdigest()[:32]
    room = quote(secret(channel.room), safe="")
    url = (
        f"{secret(channel.server).rstrip('/')}/_matrix/client/v3/rooms/{room}"
        f"/send/m.room.message/{transaction}"
    )
    _post(url, {"msgtype": "m.text", "body": alert.text}, channel.token, method="PUT")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


def _post(url: str, body: dict[str, Any], token: str, method: str = "POST") -> None:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise NotSent("its address does not begin with https://")
    headers = {"Content-Type": "application/json", "User-Agent": "imgcrawl"}
    if token:
        headers["Authorization"] = f"Bearer {secret(token)}"
    host = printable(urlsplit(url).hostname or "")
    try:
        request = urllib.request.Request(  # noqa: S310 - looked at above
            url, json.dumps(body).encode(), headers, method=method
        )
        opener = urllib.request.build_opener(_NoRedirects)
        with opener.open(request, timeout=TIMEOUT) as answer:
            answer.read(1 << 16)
    except urllib.error.HTTPError as error:
        raise NotSent(f"{host} answers HTTP {error.code}") from None
    except urllib.error.URLError as error:
        raise NotSent(f"{host} cannot be reached ({printable(str(error.reason))})") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotSent(f"{host} did not take it ({type(error).__name__})") from None


def _mail(channel: ChannelTable, alert: Alert) -> None:
    message = EmailMessage()
    message["Subject"] = printable(alert.text, 150)
    message["From"] = channel.sender
    message["To"] = ", ".join(channel.recipients)
    lines = (alert.text, "", f"rule: {alert.rule}", f"since: {alert.since}", f"OUT: {alert.out}")
    message.set_content("\n".join(map(plain_text, lines)))
    host, _, port = channel.server.partition(":")
    context = ssl.create_default_context()
    default = {"tls": 465, "starttls": 587, "none": 25}[channel.tls]
    try:
        number = int(port or default)
        if channel.tls == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, number, timeout=TIMEOUT, context=context)
        else:
            smtp = smtplib.SMTP(host, number, timeout=TIMEOUT)
        with smtp:
            if channel.tls == "starttls":
                smtp.starttls(context=context)
            if channel.user:
                smtp.login(secret(channel.user), secret(channel.password))
            if refused := smtp.send_message(message):
                raise NotSent(f"{host} refused {len(refused)} of the recipients")
    except smtplib.SMTPResponseException as error:
        raise NotSent(f"{printable(host)} answers SMTP {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotSent(f"{printable(host)} did not take it ({type(error).__name__})") from None


def _run(channel: ChannelTable, alert: Alert) -> None:
    """Run a command, no shell: the alert is JSON on its standard input, and IMGCRAWL_ALERT."""
    name = printable(channel.command[0])
    try:
        done = subprocess.run(  # noqa: S603 - the owner of schedules.toml has written it
            channel.command,
            input=json.dumps(alert.as_json()).encode(),
            env={**os.environ, "IMGCRAWL_ALERT": alert.text},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=3 * TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotSent(f"{name} did not end in {3 * TIMEOUT:.0f} s") from None
    except (OSError, ValueError) as error:
        raise NotSent(f"{name} cannot be run ({type(error).__name__})") from None
    if done.returncode:
        raise NotSent(f"{name} ended with exit status {done.returncode}")
