"""The endpoint of a store: its host is resolved and checked before tensorstore connects to it.

tensorstore fetches with a libcurl of its own, which knows no address guard. So for http:// it is
handed the address that was checked, with the name in the header Host, and a name that resolves
differently the second time gains nothing. For https:// it is handed the name, since the
certificate is for that: the server that the name leads to next has to prove to be its owner.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from imgcrawl.download.address_guard import AddressGuard, literal_address
from imgcrawl.download.errors import UnknownHost
from imgcrawl.download.handler import stand_in
from imgcrawl.download.tokens import token_headers
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

    from imgcrawl.download.resolver import Resolver

_URL = re.compile(r"https?://[^\s\"'\]]+")


@dataclass(frozen=True, slots=True)
class StoreEndpoint:
    """The address of a store, for tensorstore.

    url:     as the crawl knows it, with "/" at its end
    asked:   as tensorstore asks for it: the host may be an address
    headers: that it sends
    """

    url: str
    asked: str
    headers: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether the store is a folder of this machine."""
        return self.url.startswith("file:")

    def named(self, words: str) -> str:
        """Return a message of tensorstore's with the host as the crawl knows it."""
        if urlsplit(self.asked).path == urlsplit(self.url).path:
            return words.replace(_origin(self.asked), _origin(self.url))
        return words.replace(self.asked.rstrip("/"), self.url.rstrip("/"))

    def failed_url(self, words: str) -> str | None:
        """Return the last URL below this endpoint in an error message, or None."""
        if self.is_local:
            return None
        found: list[str] = _URL.findall(self.named(words).partition("[tensorstore_spec=")[0])
        below = [url.rstrip(".,;:") for url in found if _origin(url) == _origin(self.url)]
        return below[-1] if below else None


async def locate(settings: BaseSettings, url: str, resolver: Resolver) -> StoreEndpoint:
    """Return where `url` is to be asked for.

    Raises RecordMissing: blocked_address, dns, or bad_url unless it is an http, https or file URL.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return StoreEndpoint(url, url)
    host = parts.hostname
    if parts.scheme not in {"http", "https"} or not host:
        raise RecordMissing(Outcome.BAD_URL, f"{url} is no address of a volume", tries=0)
    guard = AddressGuard.from_setting(settings["ALLOWED_PRIVATE_NETWORKS"])
    guard.check_host(host)
    tokens = (f"{name}: {value}" for name, value in token_headers(url).items())
    headers = (f"User-Agent: {settings['USER_AGENT']}", *tokens)
    asked = stand_in(url, settings["WEB_REPLICA_URL"])
    parts = urlsplit(asked)
    host = parts.hostname or ""
    if parts.scheme in getproxies() and not proxy_bypass(host):
        # The proxy is the user's choice and looks the names up: as it is for all else.
        return StoreEndpoint(url, asked, headers)
    addresses = await _addresses(resolver, host, parts.port or 0)
    for address in addresses:
        _check(guard, host, address)
    if parts.scheme == "https" or literal_address(host) is not None:
        return StoreEndpoint(url, asked, headers)
    # One address is all that it gets, and IPv4 is what works everywhere.
    address = min(addresses, key=lambda one: ":" in one)
    pinned = f"[{address}]" if ":" in address else address
    port = "" if parts.port is None else f":{parts.port}"
    asked = parts._replace(netloc=f"{pinned}{port}").geturl()
    return StoreEndpoint(url, asked, (*headers, f"Host: {host}{port}"))


async def _addresses(resolver: Resolver, host: str, port: int) -> list[str]:
    try:
        return [one["host"] for one in await resolver.resolve(host, port)]
    except socket.gaierror as error:
        if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}:
            raise UnknownHost(Outcome.DNS, f"there is no host {host}") from error
        words = f"{host} cannot be looked up ({error.strerror})"
        raise RecordMissing(Outcome.DNS, words) from error
    except (OSError, UnicodeError) as error:
        raise RecordMissing(Outcome.DNS, f"{host} cannot be looked up ({error})") from error


def _check(guard: AddressGuard, host: str, address: str) -> None:
    try:
        guard.check(address)
    except RecordMissing as error:
        if host != address:
            error = RecordMissing(
                error.outcome, f"{host} leads to {address}, which is not a public address", tries=0
            )
        raise error from None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
