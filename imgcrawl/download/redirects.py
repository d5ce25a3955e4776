"""Redirects: followed a few times, over http and https alone, with credentials left behind.

Cookies that a redirect sets go with it where it leads to the same origin, and are forgotten with
it: some servers send a client to the very same address until it brings the cookie back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.downloadermiddlewares.redirect import RedirectMiddleware as ScrapyRedirectMiddleware
from scrapy.exceptions import IgnoreRequest

from imgcrawl.download.schemes import ARCHIVE_SCHEMES, require_http
from imgcrawl.pictures.placeholders import known_address
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from scrapy import Request, Spider
    from scrapy.http import Response

# Scrapy leaves the first two behind; keys of APIs are sent in the others.
CREDENTIALS = ("Authorization", "Cookie", "X-Api-Key", "X-Auth-Token")

_COOKIE = re.compile(
    rb"([!-:<>-~]+)[ \t]*=[ \t]*[!-:<-~]*"
)  # RFC 6265, 4.1.1, and more, but no blanks
_COOKIES = 8 << 10  # bytes of all that are sent; servers take no more


class RedirectMiddleware(ScrapyRedirectMiddleware):
    """Follows redirects; failures raise RecordMissing. Meta ``redirect_urls`` keeps the chain.

    An address may come again only after a cookie of a new name (meta ``redirect_anew``: the length
    of the chain then), since with that the answer may be another one.

    Where a redirect leads is checked as any request is: by robots.txt, by the address guard.
    """

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Return the request that a redirect asks for.

        Raises RecordMissing: redirects (a circle, or too many), bad_url (no address to fetch),
        placeholder (a picture is sent for to where "photo unavailable" lies: it is not fetched).
        """
        try:
            return super().process_response(request, response)
        except ValueError:
            message = f"{_host(request)} redirects to what is no address"
            raise _error(Outcome.BAD_URL, message, request, response) from None

    def _build_redirect_request(
        self, source_request: Request, response: Response, *, url: str, **kwargs: Any
    ) -> Request:
        try:
            require_http(url)
        except RecordMissing as error:
            message = f"{_host(source_request)} redirects to {error.message}"
            raise _error(Outcome.BAD_URL, message, source_request, response) from None
        if source_request.meta.get("media") and (what := known_address(url)):
            message = f"{_host(source_request)} redirects to a placeholder ({what})"
            raise _error(Outcome.PLACEHOLDER, message, source_request, response)
        if url.partition(":")[0] in ARCHIVE_SCHEMES:
            raise ValueError("archives are named by spiders, not by servers")
        request = super()._build_redirect_request(source_request, response, url=url, **kwargs)
        same_origin = _origin(request) == _origin(source_request)
        been = [*source_request.meta.get("redirect_urls", ()), source_request.url]
        if same_origin and _take_cookies(request, response):
            request.meta["redirect_anew"] = len(been)
        been = been[request.meta.get("redirect_anew", 0) :]
        if request.method == source_request.method and _bare(request.url) in map(_bare, been):
            message = f"redirects in a circle: {_chain(source_request)}"
            raise _error(Outcome.REDIRECTS, message, source_request, response)
        if not same_origin:
            for name in CREDENTIALS:
                request.headers.pop(name, None)
        if request.meta.get("download_slot") == _host(source_request):
            # Scrapy would go on in the slot of the first host, past the limits of the second.
            del request.meta["download_slot"]
        return request

    def _redirect(self, redirected: Request, request: Request, reason: Any) -> Request:
        try:
            again = super()._redirect(redirected, request, reason)
        except IgnoreRequest:
            message = f"more than {self.max_redirect_times} redirects: {_chain(request)}"
            raise _error(Outcome.REDIRECTS, message, request) from None
        if "redirect_anew" in again.meta:
            again.dont_filter = True  # an address that was asked for without its cookie
        return again


def _take_cookies(request: Request, response: Response) -> bool:
    """Add the cookies of a redirect to a request. Return whether one has a new name.

    Paths and lifetimes are passed over: all this lasts for one chain of one origin.
    """
    sent = b"; ".join(request.headers.getlist("Cookie"))
    cookies = {pair.partition(b"=")[0].strip(): pair.strip() for pair in sent.split(b";") if pair}
    names, size = set(cookies), len(sent)
    for line in response.headers.getlist("Set-Cookie"):
        pair = line.partition(b";")[0].strip()
        if (match := _COOKIE.fullmatch(pair)) and size + len(pair) + 2 <= _COOKIES:
            cookies[match[1]] = pair
            size += len(pair) + 2
    if cookies:
        request.headers["Cookie"] = b"; ".join(cookies.values())
    return not names.issuperset(cookies)


def _error(
    outcome: Outcome, message: str, request: Request, response: Response | None = None
) -> RecordMissing:
    tries = 1 + int(request.meta.get("retry_times", 0))
    return RecordMissing(outcome, message, response.status if response else None, tries)


def _host(request: Request) -> str:
    return urlsplit(request.url).hostname or ""


def _origin(request: Request) -> tuple[str, str, int | None]:
    parts = urlsplit(request.url)
    return parts.scheme, parts.hostname or "", parts.port


def _bare(url: str) -> str:
    return url.partition("#")[0]


def _chain(request: Request) -> str:
    """Return the hosts on the way, repeated ones once."""
    urls = (*request.meta.get("redirect_urls", ()), request.url)
    return " -> ".join(dict.fromkeys(urlsplit(url).hostname or "" for url in urls))
