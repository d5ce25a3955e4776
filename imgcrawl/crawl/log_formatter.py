"""One DEBUG line a record, and none of Scrapy's own per request and item."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.logformatter import LogFormatter as ScrapyLogFormatter
from scrapy.utils.log import get_scrapy_root_handler

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.items import Item, Missing, Stored
from imgcrawl.text.redact import PlainFormatter

if TYPE_CHECKING:
    from typing import Self

    from scrapy import Request, Spider
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.logformatter import LogFormatterResult
    from twisted.python.failure import Failure


class LogFormatter(ScrapyLogFormatter):
    """Says of a record what became of it."""

    def __init__(self, *, debugging: bool = True) -> None:
        self._debugging = debugging

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make one for a crawl, as Scrapy asks."""
        formatter = cls(debugging=crawler.settings["LOG_LEVEL"] == "DEBUG")
        # The handler of the log is made after this, and before anything is fetched.
        crawler.signals.connect(formatter.make_plain, signal=signals.spider_opened)
        return formatter

    def make_plain(self) -> None:
        """Remove control characters from the log: sources could send any."""
        handler = get_scrapy_root_handler()
        if handler is not None and not isinstance(handler.formatter, PlainFormatter):
            handler.setFormatter(PlainFormatter(handler.formatter or logging.Formatter()))

    def scraped(  # type: ignore[override] # None is allowed, as Scrapy's documentation says
        self, item: Any, response: Response | Failure | None, spider: Spider
    ) -> LogFormatterResult | None:
        """Return the line of a record that has its outcome, or None if nobody reads it."""
        if not self._debugging:
            return None
        match item:
            case Item(record_id=name, result=Stored(file_name=file)):
                text = f"{name}: stored as {file}" if file else f"{name}: noted"
            case Item(record_id=name, result=Missing(outcome=outcome, message=message)):
                text = f"{name}: {outcome} ({message})"
            case _:
                text = str(item)
        return {"level": logging.DEBUG, "msg": "%s", "args": (text,)}

    def download_error(
        self, failure: Failure, request: Request, spider: Spider, errmsg: str | None = None
    ) -> LogFormatterResult:
        """Return the line of a page that cannot be had; of a known reason it is said elsewhere."""
        line = super().download_error(failure, request, spider, errmsg)
        if isinstance(failure.value, RecordMissing):
            line["level"] = logging.DEBUG
        return line

    def dropped(
        self,
        item: Any,
        exception: BaseException,
        response: Response | Failure | None,
        spider: Spider,
    ) -> LogFormatterResult:
        """Return the line of a record that was handed out twice."""
        return {"level": logging.DEBUG, "msg": "%s", "args": (str(exception),)}
