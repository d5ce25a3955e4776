"""Fetcher: what the client of a source needs, to make requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Unpack

if TYPE_CHECKING:
    from logging import LoggerAdapter

    from scrapy.http import Response
    from scrapy.settings import BaseSettings

    from imgcrawl.download.meta import Meta


class Fetcher(Protocol):
    """Makes requests through all that Scrapy does for one. Every DatasetSpider is a Fetcher."""

    settings: BaseSettings

    @property
    def logger(self) -> LoggerAdapter[Any]:
        """The log of the run."""

    async def fetch(self, url: str, *, method: str = "GET", **meta: Unpack[Meta]) -> Response:
        """Return the response of a URL, whatever its HTTP status.

        Raises NoAnswerError if no answer came.
        """

    async def fetch_json(self, url: str, *, tries: int = 3, **meta: Unpack[Meta]) -> Any:
        """Return the JSON that a URL answers with. Raises SourceError for anything else."""
