"""X-Robots-Tag: pictures whose owners keep them out of machine learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.download.errors import FetchError
from imgcrawl.outcomes import Outcome

if TYPE_CHECKING:
    from typing import Self

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

DIRECTIVES = frozenset({"noai", "noimageai"})


class OptOutMiddleware:
    """Refuses media (meta ``media``) that carry ``noai`` or ``noimageai`` for everyone or for us.

    Setting: X_ROBOTS_TAG_OBEY.
    """

    def __init__(self, agent: str) -> None:
        self._agent = agent.lower()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        if not crawler.settings.getbool("X_ROBOTS_TAG_OBEY"):
            raise NotConfigured
        return cls(crawler.settings["ROBOTSTXT_USER_AGENT"] or crawler.settings["BOT_NAME"])

    def process_response(self, request: Request, response: Response) -> Response:
        """The response. Raises FetchError where its owner has opted out."""
        if request.meta.get("media"):
            for header in response.headers.getlist("X-Robots-Tag"):
                if found := self._directives(header.decode("latin-1")) & DIRECTIVES:
                    words = f"X-Robots-Tag says {min(found)}"
                    raise FetchError(Outcome.OPTED_OUT, words, response.status)
        return response

    def _directives(self, header: str) -> set[str]:
        """What a header asks of us: ``a, b`` of everyone, ``agent: a, b`` of that agent."""
        agent, colon, rest = header.lower().partition(":")
        if colon and agent.strip() not in {self._agent, "*"}:
            # A directive such as `unavailable_after: DATE` has a colon too, and is no agent.
            return set() if "," not in agent else {w.strip() for w in agent.split(",")}
        return {word.strip() for word in (rest if colon else agent).split(",")}
