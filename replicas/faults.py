"""Faults on request.

A rule is a JSON object: ``match`` (a regular expression searched for in the path), ``kind``, and
optionally ``share`` (the fraction of the matching paths, chosen by a hash of the path), ``times``
(requests of each path that fail before it recovers), ``accept`` (only requests whose Accept holds
this text) and the parameters of its kind. The kinds:

status (status, body, retry_after) · latency (ms) · drip (ms per byte) · cut (half of the announced
body) · short (a body without length, cut) · html · empty · truncated, zeroed, corrupt (a damaged
picture, whole in its transfer) · redirect (location; "loop") · reset · hang · header (name, value)
· text (body) · json (body) · repeat_next · empty_page · count (count) · sign_urls (expired)
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from zlib import crc32

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable

Rule = dict[str, Any]

HTML = (
    "<!doctype html><html><head><title>Sign in to the hospital network</title></head>"
    "<body><h1>Please sign in</h1></body></html>"
)
# These change the content of an answer; the others change its transfer.
OF_THE_API = frozenset({"repeat_next", "empty_page", "count", "sign_urls"})


class Faults:
    """The rules in force."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.set(rules)

    def set(self, rules: Iterable[Rule]) -> None:
        """Put other rules in force."""
        self.rules = list(rules)
        self._patterns = [re.compile(rule.get("match", "")) for rule in self.rules]
        self._served: Counter[tuple[int, str]] = Counter()

    def of(self, path: str, *, api: bool) -> list[Rule]:
        """Return the rules that apply to a request of this path, and count the request."""
        met = []
        for number, (rule, pattern) in enumerate(zip(self.rules, self._patterns, strict=True)):
            if (rule["kind"] in OF_THE_API) is not api or not pattern.search(path):
                continue
            if crc32(path.encode()) / 2**32 >= rule.get("share", 1):
                continue
            if "times" in rule:
                self._served[number, path] += 1
                if self._served[number, path] > rule["times"]:
                    continue
            met.append(rule)
        return met


async def spoil(
    request: web.Request, answer: web.Response, rules: list[Rule]
) -> web.StreamResponse:
    """Return the answer as changed by the rules."""
    for rule in rules:
        if rule.get("accept", "") not in request.headers.get("Accept", ""):
            continue
        answered = await _spoil(request, answer, rule)
        if isinstance(answered, web.Response):
            answer = answered
        elif answered is not None:
            return answered
    return answer


async def _spoil(
    request: web.Request, answer: web.Response, rule: Rule
) -> web.StreamResponse | None:
    body = answer.body if isinstance(answer.body, bytes) else b""
    match rule["kind"]:
        case "latency":
            await asyncio.sleep(rule["ms"] / 1000)
            return None
        case "status":
            return _status(rule)
        case "header":
            answer.headers[rule["name"]] = rule["value"]
            return answer
        case "html":
            return web.Response(text=HTML, content_type=rule.get("type", "text/html"))
        case "text":
            return web.Response(text=rule["body"])
        case "json":
            return web.json_response(rule["body"])
        case "empty":
            return web.Response(body=b"", content_type="image/jpeg")
        case "redirect":
            location = rule["location"]
            return web.Response(
                status=302, headers={"Location": request.path if location == "loop" else location}
            )
        case "truncated":
            return _picture(answer, body[: len(body) // 2])
        case "zeroed":
            middle = len(body) // 2
            return _picture(answer, body[:middle] + bytes(2048) + body[middle + 2048 :])
        case "corrupt":
            return _picture(answer, body[:60] + body[:60][::-1] + body[120:])
        case "hang":
            await asyncio.sleep(rule.get("seconds", 3600))
            return None
        case kind:
            return await _break_off(request, body, kind, rule)


def _status(rule: Rule) -> web.Response:
    headers = {"Retry-After": str(rule["retry_after"])} if "retry_after" in rule else {}
    text = rule.get("body", f"<h1>{rule['status']}</h1>")
    kind = "application/json" if text.startswith("{") else "text/html"
    return web.Response(status=rule["status"], text=text, content_type=kind, headers=headers)


def _picture(answer: web.Response, body: bytes) -> web.Response:
    return web.Response(body=body, content_type=answer.content_type)


async def _break_off(
    request: web.Request, body: bytes, kind: str, rule: Rule
) -> web.StreamResponse:
    """Send an answer that ends early, on the transport itself: aiohttp would refuse to."""
    transport = request.transport
    assert transport is not None
    half = body[: len(body) // 2]
    head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n"
    if kind == "cut":
        transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + half)
    elif kind == "short":
        transport.write(f"{head}\r\n".encode() + half)
    elif kind == "drip":
        transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        for number in range(len(body)):
            transport.write(body[number : number + 1])
            await asyncio.sleep(rule.get("ms", 100) / 1000)
    elif kind != "reset":
        raise ValueError(f"there is no fault {kind!r}")
    transport.close()
    return web.Response()


def parse(text: str) -> list[Rule]:
    """Return rules from JSON. Raises ValueError if it is no list of rules."""
    rules = json.loads(text)
    if not isinstance(rules, list) or not all(
        isinstance(rule, dict) and "kind" in rule for rule in rules
    ):
        raise ValueError("faults are a JSON list of objects with a kind")
    return rules
