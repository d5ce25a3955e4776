"""Tokens of services that serve volumes to those who are logged in, from the environment.

    WK_TOKEN, WK_URL        WEBKNOSSOS: the site (webknossos.org) and all hosts below its name
    CAVE_TOKEN, CAVE_HOSTS  middle_auth, of CAVE: the hosts that may see the token, with commas

A token goes to hosts that its owner named, and over https alone: an address in a link or in a
crop.json is a stranger's word. Nothing of it is kept or shown.

Sources: WEBKNOSSOS' REST API (the header X-Auth-Token) and its client's variables; the README of
seung-lab/middle_auth (the header Authorization).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy.exceptions import NotConfigured

from imgcrawl.download.address_guard import literal_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy import Request, Spider

CAVE = "CAVE_TOKEN"
CAVE_HOSTS = "CAVE_HOSTS"
_WEBKNOSSOS = "https://webknossos.org"


def token_headers(url: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the headers that show a service who asks; none for any other address."""
    if not (environment.get("WK_TOKEN") or environment.get(CAVE)):
        return {}
    parts = urlsplit(url)
    host = parts.hostname or ""
    address = literal_address(host)
    is_own = address is not None and address.is_loopback
    if parts.scheme != "https" and not is_own:
        return {}
    if token := _token(environment, "WK_TOKEN"):
        site = urlsplit(environment.get("WK_URL") or _WEBKNOSSOS).hostname or ""
        if host == site or (site and host.endswith(f".{site}")):
            return {"X-Auth-Token": token}
    if token := _token(environment, CAVE):
        hosts = {name.strip().lower() for name in environment.get(CAVE_HOSTS, "").split(",")}
        if host in hosts - {""}:
            return {"Authorization": f"Bearer {token}"}
    return {}


def _token(environment: Mapping[str, str], name: str) -> str:
    """Return a token, or "" for none: what cannot stand in a header is none."""
    token = environment.get(name, "").strip()
    return token if token.isascii() and token.isprintable() and " " not in token else ""


class TokenMiddleware:
    """Shows services who asks, in every request: of documents, objects and lists."""

    def __init__(self) -> None:
        """Make one for a crawl. Raises NotConfigured where the environment has no token."""
        if not any(_token(os.environ, name) for name in ("WK_TOKEN", CAVE)):
            raise NotConfigured

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        """Add the header that the host of the request may see."""
        for name, value in token_headers(request.url).items():
            request.headers.setdefault(name, value)
