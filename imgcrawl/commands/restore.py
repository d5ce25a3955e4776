"""``scrapy restore dataset.lock.json``: the same bytes again, or a word about each that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import UsageError

from imgcrawl.commands.crawl import Command as CrawlCommand
from imgcrawl.storage.directory import DATASET_LOCK

if TYPE_CHECKING:
    import argparse

SPIDER = "restore"


class Command(CrawlCommand):
    """A crawl whose list is a lock."""

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return f"[options] {DATASET_LOCK} -a out=DIR [-a wayback=1]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Fetch the records of a lock again, each checked against its SHA-256"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Restore; exit status as of ``scrapy crawl``: 3 if some are changed or gone."""
        if len(args) != 1:
            raise UsageError(f"scrapy restore takes one {DATASET_LOCK}, which `scrapy lock` writes")
        opts.spargs.setdefault("lock", args[0])
        super().run([SPIDER], opts)
