"""UrlListSpider: a list of records, each with its URLs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from imgcrawl.lists.opening import is_url, split_member
from imgcrawl.lists.unique_names import UniqueNames
from imgcrawl.lists.url_words import url_words
from imgcrawl.records.items import ImageItem, Unreadable
from spiders.base.dataset import A, DatasetSpider

if TYPE_CHECKING:
    from imgcrawl.lists.rows import MalformedRow
    from imgcrawl.records.items import Metadata


class UrlListSpider(DatasetSpider[A]):
    """Reads lists a record at a time, whatever their size, and loses of them only what is junk.

    A list is read from its beginning in every run: what is there already costs a look-up.
    """

    shard_by = "host"  # the hosts are many, and each is one shard's to be polite to

    @cached_property
    def _names(self) -> UniqueNames:
        return UniqueNames()

    async def local_list(self, source: str) -> tuple[str, str]:
        """Return (path or ``-``, member) of a list; one at a URL is downloaded first."""
        name, member = split_member(source)
        return (await self.fetch_file(name) if is_url(name) else name), member

    def item(self, record_id: str, urls: list[str], path: str, metadata: Metadata) -> ImageItem:
        """Return the record of a picture, under a name that no other has."""
        unique = self._names.name(record_id)
        path += unique.removeprefix(record_id)
        return ImageItem(unique, urls, path, metadata, hint=url_words(urls[0]))

    @staticmethod
    def unreadable(source: str, junk: MalformedRow) -> Unreadable:
        """Return a piece of a list that is no record, with its place in the list."""
        name = source.rpartition("/")[2] if source != "-" else "standard input"
        words = f"{junk.problem}: {junk.text}" if junk.text else junk.problem
        return Unreadable(f"{name}, {junk.where}", words)
