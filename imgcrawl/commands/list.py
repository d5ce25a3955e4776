"""``scrapy list``: the names of the datasets, one a line."""

from __future__ import annotations

import sys

from scrapy.commands import ScrapyCommand

from imgcrawl.commands.spiders import datasets
from imgcrawl.crawl.spider_loader import spider_loader


class Command(ScrapyCommand):
    """Takes the place of Scrapy's own, which lists spiders that nobody calls by name, too."""

    requires_project = True
    requires_crawler_process = False

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "List the names of the datasets that can be downloaded"

    def run(self, args: list[str], opts: object) -> None:
        """Print the names."""
        assert self.settings is not None
        sys.stdout.write("".join(f"{name}\n" for name in datasets(spider_loader(self.settings))))
