"""What is cached: pages and API answers, never media and never errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response
    from scrapy.settings import BaseSettings


class PagesOnlyPolicy:
    """An HTTPCACHE_POLICY: requests ask for it by meta ``cache``, ``"page"`` or ``"json"``."""

    def __init__(self, settings: BaseSettings) -> None:
        pass

    def should_cache_request(self, request: Request) -> bool:
        """Whether the request asked for it."""
        return request.meta.get("cache") in {"page", "json"}

    def should_cache_response(self, response: Response, request: Request) -> bool:
        """Whether it is an answer, and of the kind that was asked for."""
        if response.status != 200 or not self.should_cache_request(request):
            return False
        if request.meta.get("cache") == "page":
            return True
        try:
            json.loads(response.body)
        except ValueError:
            return False
        return True

    def is_cached_response_fresh(self, cachedresponse: Response, request: Request) -> bool:
        """Always: the storage forgets what has expired."""
        return True

    def is_cached_response_valid(
        self, cachedresponse: Response, response: Response, request: Request
    ) -> bool:
        """Never: what was asked for anew is taken anew."""
        return False
