"""An ordinary Scrapy spider in this project: what it is given that a dataset's spider has."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from scrapy import Spider
from scrapy.utils.misc import load_object
from scrapy.utils.spider import DefaultSpider

from imgcrawl.arguments import (
    OrdinaryArguments,
    arguments_of_settings,
    model_of,
    own_arguments,
    parse_arguments,
)
from imgcrawl.records.errors import ArgumentError
from imgcrawl.storage.address import settings_of_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

logger = logging.getLogger(__name__)

_SCRAPY = "scrapy.downloadermiddlewares"
# They would fetch all anew, re-encode it, and forget why something failed.
_STOCK = ("scrapy.pipelines.images.ImagesPipeline", "scrapy.pipelines.files.FilesPipeline")


def is_ordinary(crawler: Crawler) -> bool:
    """Return whether a crawler's spider knows nothing of datasets."""
    return model_of(crawler.spidercls) is OrdinaryArguments


def prepare(crawler: Crawler, given: Mapping[str, Any]) -> dict[str, Any]:
    """Take the arguments of every spider out of what was typed; return those of the spider itself.

    Raises ArgumentError.
    """
    if not is_ordinary(crawler):
        return dict(given)
    spider, settings = crawler.spidercls, crawler.settings
    if hasattr(spider, "start_requests") and spider.start is Spider.start:
        raise ArgumentError(
            f"{spider.name} has start_requests(), which Scrapy no longer calls: write "
            "`async def start(self):` in its place, with the same body."
        )
    own = own_arguments(spider, given)
    arguments = parse_arguments(spider, arguments_of_settings(spider, own, settings))
    out = arguments.out or settings["OUT"] or f"data/{spider.name}"
    for name, value in (arguments.settings() | settings_of_out(str(out), settings)).items():
        settings.set(name, value, priority="cmdline")
    base = settings.getdict("DOWNLOADER_MIDDLEWARES_BASE")
    pages = middlewares_for_pages(settings)
    settings.set("DOWNLOADER_MIDDLEWARES_BASE", base | pages, priority="spider")
    replace_stock(settings)
    return {name: value for name, value in given.items() if name not in own}


def place(crawler: Crawler) -> None:
    """Give a spider that something else than ``scrapy crawl`` has started its OUT."""
    settings, spider = crawler.settings, crawler.spider
    if settings["OUT"] is None and spider is not None and not isinstance(spider, DefaultSpider):
        out = getattr(spider, "out", None) or f"data/{spider.name}"
        for name, value in settings_of_out(str(out), settings).items():
            settings.set(name, value, priority="spider")


def middlewares_for_pages(settings: BaseSettings) -> dict[str, int]:
    """Return the downloader middlewares of Scrapy's that settings.py leaves out.

    No spider of a dataset needs them, and each is imported and asked for every picture.
    """
    middlewares = {f"{_SCRAPY}.offsite.OffsiteMiddleware": 50}
    if settings.getbool("COOKIES_ENABLED"):
        middlewares[f"{_SCRAPY}.cookies.CookiesMiddleware"] = 700
    return middlewares


def replace_stock(settings: BaseSettings) -> None:
    """Leave Scrapy's own media pipelines out, which tutorials name: this project's are there."""
    there = settings.getdict("ITEM_PIPELINES")
    for path in _STOCK:
        cls = load_object(path)
        if there.get(path, there.get(cls)) is not None:
            logger.info("%s: imgcrawl's own pipeline takes its place", path)
            settings.set_in_component_priority_dict("ITEM_PIPELINES", cls, None)
