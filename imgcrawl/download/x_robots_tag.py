"""X-Robots-Tag: what a server asks not to be used for machine learning is not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured
from scrapy.utils.httpobj import urlparse_cached

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

OPT_OUTS = frozenset({"noai", "noimageai"})

# Directives with a value, whose colon does not name a robot.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


class OptOutMiddleware:
    """Refuses media whose ``X-Robots-Tag`` says noai or noimageai; X_ROBOTS_TAG_OBEY."""

    def __init__(self, crawler: Crawler) -> None:
        if not crawler.settings.getbool("X_ROBOTS_TAG_OBEY", True):
            raise NotConfigured
        self._agent = str(crawler.settings["ROBOTSTXT_USER_AGENT"] or crawler.settings["BOT_NAME"])

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the middleware of a crawler: Scrapy's constructor."""
        return cls(crawler)

    def process_response(self, request: Request, response: Response) -> Response:
        """Raise RecordMissing (opted_out) for media whose headers opt out."""
        if request.meta.get("media") and b"X-Robots-Tag" in response.headers:
            values = (v.decode("latin-1") for v in response.headers.getlist("X-Robots-Tag"))
            if said := directives(values, self._agent) & OPT_OUTS:
                host = urlparse_cached(request).hostname
                raise RecordMissing(
                    Outcome.OPTED_OUT,
                    f"{host} says X-Robots-Tag: {', '.join(sorted(said))}",
                    response.status,
                    1 + request.meta.get("retry_times", 0),
                )
        return response


def directives(values: Iterable[str], agent: str) -> frozenset[str]:
    """Return the directives of X-Robots-Tag headers that are meant for everyone or for `agent`.

    A name before a colon says for whom the rest of the header is, until the next one.
    """
    meant: set[str] = set()
    for value in values:
        robot = ""
        for part in value.lower().split(","):
            name, colon, rest = part.partition(":")
            if colon and name.strip() not in _VALUED:
                robot, part = name.strip(), rest
            if robot in {"", agent.lower()}:
                meant.add(part.strip())
    return frozenset(meant)
