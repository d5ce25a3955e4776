"""The files that a page links to: any HTML page, a directory index, an S3 listing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PositiveInt

from imgcrawl.sources.repositories.find import is_record
from spiders.base.page import GivenPageSpider, PageArguments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput


class StaticPageArguments(PageArguments):
    """A page, which of its links are wanted, and how many pages are read for them."""

    max_pages: PositiveInt = Field(
        100_000, description="pages that are read, at most; the others are counted and named"
    )


class StaticPageSpider(GivenPageSpider[StaticPageArguments]):
    """All files that a page, and the pages below it, link to; the tree is kept.

    Reads any HTML, the indexes of web servers, and the listings of buckets, to their last page. A
    file that is linked several times is one record. Caveat: links that a script makes are for
    dynamic_page.
    """

    name = "static_page"
    arguments: ClassVar[type[StaticPageArguments]] = StaticPageArguments
    example = "scrapy crawl static_page -a url=https://example.org/data/ -a match='*.dm3,*.tif'"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the files of the page that is asked for."""
        self.max_pages = self.args.max_pages
        if is_record(self.args.url):
            words = (
                "This is a record of a repository. Its API has more: scrapy crawl record -a url=%s"
            )
            self.logger.warning(words, self.args.url)
        async for output in super().records():
            yield output

    def no_match_message(self) -> str:
        """Return the error if no link matches."""
        return f"{super().no_match_message()} Links that a script makes: scrapy crawl dynamic_page."
