"""``scrapy crawl``, with arguments checked first and an exit status that means something."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scrapy.commands import BaseRunSpiderCommand
from scrapy.exceptions import UsageError
from scrapy.spiderloader import get_spider_loader

from imgcrawl.arguments import parse_arguments
from imgcrawl.errors import ArgumentError, ImgcrawlError
from imgcrawl.process import CrawlProcess
from imgcrawl.suggest import did_you_mean
from imgcrawl.summary import ExitStatus

if TYPE_CHECKING:
    import argparse


class Command(BaseRunSpiderCommand):
    """Takes the place of Scrapy's own ``crawl``, which exits 0 whatever happened."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """How to type it."""
        return "[options] SPIDER [-a NAME=VALUE ...]"

    def short_desc(self) -> str:
        """What ``scrapy`` prints beside it."""
        return "Download a dataset (`scrapy spiders` tells which, and with what arguments)"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run one spider to its end.

        Exit status 0: every promised record is stored; 3: some are missing; 2: wrong arguments;
        1: the run was stopped; 128 + N: by signal N.
        """
        if len(args) != 1:
            raise UsageError("scrapy crawl takes one spider. `scrapy spiders` lists them.")
        name = args[0]
        assert self.settings is not None
        loader = get_spider_loader(self.settings)
        try:
            if name not in loader.list():
                raise ArgumentError(
                    f"there is no spider {name!r}{did_you_mean(name, loader.list())} "
                    "`scrapy spiders` lists them."
                )
            parse_arguments(loader.load(name), opts.spargs)
        except ArgumentError as error:
            self._say(error)
            self.exitcode = ExitStatus.USAGE
            return
        process = CrawlProcess(self.settings)
        self.exitcode, failed = process.run(name, opts.spargs)
        if isinstance(failed, ImgcrawlError):
            self._say(failed)
        elif failed is not None:
            raise failed

    @staticmethod
    def _say(error: Exception) -> None:
        sys.stderr.write(f"scrapy crawl: {error}\n")
