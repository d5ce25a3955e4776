"""What the HTTP cache may hold: pages and API answers, never media and never errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response
    from scrapy.settings import BaseSettings


class PagesOnlyPolicy:
    """HTTPCACHE_POLICY: meta ``cache`` of a request names the kind of answer that may be kept.

    ``json``: JSON by its type and by its content; ``page``: any answer with a body; ``urls``: text
    with a URL in it, since an API that fails may say so with status 200.
    """

    def __init__(self, settings: BaseSettings) -> None:
        self._kinds = {"json", "page", "urls"}

    def should_cache_request(self, request: Request) -> bool:
        """Return whether the answer to a request may come from the cache or be stored there."""
        return request.meta.get("cache") in self._kinds

    def should_cache_response(self, response: Response, request: Request) -> bool:
        """Return whether an answer is valid for its kind, so that no fault is served twice."""
        kind = request.meta.get("cache")
        if kind not in self._kinds or response.status != 200 or not response.body:
            return False
        if kind == "urls":
            return b"://" in response.body and not response.body.lstrip().startswith(b"<")
        return kind == "page" or _is_json(response)

    def is_cached_response_fresh(self, cachedresponse: Response, request: Request) -> bool:
        """Return True: the storage returns no answer that has expired."""
        return True

    def is_cached_response_valid(
        self, cachedresponse: Response, response: Response, request: Request
    ) -> bool:
        """Return True."""
        return True


def _is_json(response: Response) -> bool:
    kind = (response.headers.get("Content-Type") or b"").partition(b";")[0].strip().lower()
    if not kind.endswith((b"/json", b"+json")):
        return False
    try:
        json.loads(response.body)
    except (ValueError, RecursionError):
        return False
    return True
