"""The files that a page links to: any HTML page, a directory index, an S3 listing."""

from __future__ import annotations

from typing import ClassVar

from spiders.base.page import GivenPageSpider, PageArguments


class StaticPageSpider(GivenPageSpider[PageArguments]):
    """All files that a page, and the pages below it, link to; the tree is kept.

    Reads any HTML, the indexes of Apache and nginx, and the listings of S3. A file that is linked
    several times is one record. Caveat: links that a script makes are for dynamic_page.
    """

    name = "static_page"
    arguments: ClassVar[type[PageArguments]] = PageArguments
    example = "scrapy crawl static_page -a url=https://example.org/data/ -a match='*.dm3,*.tif'"

    def no_match_message(self) -> str:
        """Return the error if no link matches."""
        return f"{super().no_match_message()} Links that a script makes: scrapy crawl dynamic_page."
