"""Media are asked for as media.

Scrapy asks for everything as a browser asks for a page. Hosts that serve both under one address
(i.redd.it, Tumblr, Imgur) then answer with the page around the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.downloadermiddlewares.defaultheaders import DefaultHeadersMiddleware

if TYPE_CHECKING:
    from scrapy import Request, Spider

# No format has a name here: a host that is told of WebP or AVIF makes one of the original.
PICTURES = "image/*,*/*;q=0.8"
ANYTHING = "*/*"


class MediaHeadersMiddleware(DefaultHeadersMiddleware):
    """Gives requests the default headers, those of media an `Accept` of their own."""

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        """Add what the request has not."""
        if request.meta.get("media"):
            request.headers.setdefault("Accept", ANYTHING)
        super().process_request(request)
