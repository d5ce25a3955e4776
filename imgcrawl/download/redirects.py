"""Redirects: followed, counted, recorded; never to another kind of address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from scrapy.downloadermiddlewares.redirect import RedirectMiddleware as ScrapyRedirectMiddleware
from scrapy.exceptions import IgnoreRequest

from imgcrawl.download.errors import FetchError
from imgcrawl.download.schemes import require_http
from imgcrawl.outcomes import Outcome

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

_STATUSES = frozenset({301, 302, 303, 307, 308})
_SECRETS = ("X-Api-Key", "Proxy-Authorization")  # Scrapy drops Authorization and Cookie itself


class RedirectMiddleware(ScrapyRedirectMiddleware):
    """Scrapy's, with a reason for each redirect that is not followed.

    Setting: REDIRECT_MAX_TIMES.
    """

    def process_response(self, request: Request, response: Response) -> Request | Response:  # type: ignore[override] # the spider argument is deprecated
        """The response, or the request that it redirects to.

        Raises FetchError for a target that is no HTTP address, a circle, and too many redirects.
        """
        location = response.headers.get("Location")
        if response.status in _STATUSES and location and not request.meta.get("dont_redirect"):
            require_http(urljoin(request.url, location.decode("latin-1")))
        following = super().process_response(request, response)
        if following is not response and isinstance(following, type(request)):
            if urlsplit(following.url).hostname != urlsplit(request.url).hostname:
                for name in _SECRETS:
                    following.headers.pop(name, None)
            # Another host has a slot, limits and a health of its own.
            following.meta.pop("download_slot", None)
        return following

    def _redirect(self, redirected: Request, request: Request, reason: Any) -> Request:
        been = [*request.meta.get("redirect_urls", ()), request.url]
        if redirected.url in been:
            raise FetchError(Outcome.REDIRECTS, f"a circle of redirects by way of {_hosts(been)}")
        try:
            return super()._redirect(redirected, request, reason)
        except IgnoreRequest as error:
            words = f"more than {self.max_redirect_times} redirects, by way of {_hosts(been)}"
            raise FetchError(Outcome.REDIRECTS, words) from error


def _hosts(urls: list[str]) -> str:
    return ", ".join(dict.fromkeys(urlsplit(url).hostname or "?" for url in urls))
