"""imgcrawl in another Scrapy project: ``ADDONS = {"imgcrawl.addon.Addon": 500}``.

What that project's spiders yield in ``image_urls`` and ``file_urls`` is downloaded, checked and
accounted for as here: OUT (by default ``data/<spider>``) with its files, tables, ledger and
summary.json. The project's own settings come before all that is set here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl import settings as ours
from imgcrawl.crawl.ordinary_spiders import middlewares_for_pages, replace_stock

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

# Who a project is, and where it has its code: that stays its own.
_THEIRS = {"BOT_NAME", "USER_AGENT", "ROBOTSTXT_USER_AGENT", "COOKIES_ENABLED", "LOG_LEVEL"}
_THEIRS |= {"SPIDER_MODULES", "NEWSPIDER_MODULE", "SPIDER_LOADER_CLASS", "COMMANDS_MODULE"}
_THEIRS |= {"STATS_DUMP", "LOG_VERSIONS"}


class Addon:
    """Sets what imgcrawl is made of, where a project does not say otherwise."""

    def update_settings(self, settings: BaseSettings) -> None:
        """Set the settings, as Scrapy asks."""
        for name in filter(str.isupper, dir(ours)):
            if name not in _THEIRS:
                settings.set(name, getattr(ours, name), priority="addon")
        base = settings.getdict("DOWNLOADER_MIDDLEWARES_BASE")
        pages = middlewares_for_pages(settings)
        settings.set("DOWNLOADER_MIDDLEWARES_BASE", base | pages, priority="addon")
        replace_stock(settings)
