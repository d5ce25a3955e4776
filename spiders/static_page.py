"""The files that a page links to: any HTML page, a directory index, an S3 listing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from spiders.base.page import PageArguments, PageSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spiders.base.dataset import Said


class StaticPageSpider(PageSpider[PageArguments]):
    """All files that a page, and the pages below it, link to; the tree is kept.

    Reads any HTML, the indexes of Apache and nginx, and the listings of S3. A file that is linked
    several times is one record. Caveat: links that a script makes are for dynamic_page.
    """

    name = "static_page"
    arguments: ClassVar[type[PageArguments]] = PageArguments
    example = "scrapy crawl static_page -a url=https://example.org/data/ -a match='*.dm3,*.tif'"

    async def records(self) -> AsyncIterator[Said]:
        """The files of the page that is asked for."""
        self.first, self.depth = self.args.url, self.args.depth
        self.same_dir = self.args.same_dir
        async for said in super().records():
            yield said

    def nothing(self) -> str:
        """What to say where no link matches."""
        return f"{super().nothing()} Links that a script makes: scrapy crawl dynamic_page."
