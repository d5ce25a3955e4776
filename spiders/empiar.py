"""EMPIAR, the archive of raw electron microscopy: https://www.ebi.ac.uk/empiar/"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, field_validator

from imgcrawl.arguments import FileArguments
from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Bookmark, Document, Expects, NotFollowed, Unreadable
from imgcrawl.sources.empiar import missing_names, parse_entry
from imgcrawl.sources.web.page_link import PageLink
from imgcrawl.storage.directory import CITATION
from spiders.base.page import FoundLink, PageSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import Metadata, SpiderOutput


class EmpiarArguments(FileArguments):
    """An entry, and which of its files are wanted."""

    entry: str = Field(
        description="the entry's number, or a link to it", examples=["11759", "EMPIAR-11759"]
    )

    @field_validator("entry")
    @classmethod
    def _is_entry(cls, entry: str) -> str:
        match = re.fullmatch(r"(?:.*?(?:EMPIAR-|/))?(\d{4,6})/?", entry.strip(), re.IGNORECASE)
        if not match:
            raise ValueError("type the number of an entry, such as 11759")
        return match[1]


class EmpiarSpider(PageSpider[EmpiarArguments]):
    """The files of an entry, each with what its record says of it.

    The record comes from the API, the tree from the HTTPS mirror. The API's count is the authority:
    a slice that the mirror's index leaves out is asked for all the same. Licence: CC0.
    Caveat: pixel sizes in the record are in angstrom, and not always those of the files.
    """

    name = "empiar"
    arguments: ClassVar[type[EmpiarArguments]] = EmpiarArguments
    example = "scrapy crawl empiar -a entry=11759 -a match='*.dm3'"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the files of the entry."""
        number = self.args.entry
        api = f"{self.settings['EMPIAR_API_URL']}entry/EMPIAR-{number}/"
        response = await self.fetch(api, cache="json")
        if response.status == 404:
            raise SourceError(f"EMPIAR has no public entry {number}.")
        self._record = parse_entry(await self.fetch_json(api), number)
        self._root = f"{self.settings['EMPIAR_FILES_URL']}{number}/data/"
        self.first = self._root
        record = self._record.record
        for words in record.news(self.bookmarks.get(record.bookmark)):
            self.logger.warning("%s", words)
        yield Expects(note=str(self._record))
        yield Document(CITATION, record.citation())
        async for output in super().records():
            yield output
        yield Bookmark(record.bookmark, record.number)

    async def found(self) -> AsyncIterator[FoundLink | Unreadable | NotFollowed]:
        """Yield the links of the index, and those that it should have by the record."""
        listed: dict[str, list[str]] = {i.directory: [] for i in self._record.imagesets}
        async for found in super().found():
            if isinstance(found, FoundLink):
                for imageset in self._record.imagesets_of(self._directory(found.link.url))[:1]:
                    path = self._path(found.link.url)
                    listed[imageset.directory].append(path.removeprefix(f"{imageset.directory}/"))
            yield found
        for directory, names in listed.items():
            sets = [i for i in self._record.imagesets if i.directory == directory]
            if not all(imageset.counts_files for imageset in sets):
                continue
            count = sum(imageset.count for imageset in sets)
            missing, unknown = missing_names(names, count)
            base = self._root.removesuffix("data/") + f"{quote(directory)}/"
            for name in missing:
                self.logger.warning("%s is not in the index, but must be there: asking", name)
                yield FoundLink(PageLink(base + quote(name)), base)
            if unknown:
                yield Unreadable(
                    base,
                    f"the record says {count:,} images, the index has {unknown:,} fewer, "
                    "and their names cannot be told",
                )

    def describe(self, found: FoundLink) -> Metadata:
        """Return what the record says of a file, as columns."""
        columns = super().describe(found) | {"entry": f"EMPIAR-{self.args.entry}"}
        return columns | self._record.columns(self._directory(found.link.url))

    def _directory(self, url: str) -> str:
        """Return the directory of a file as the record names it: ``data``, ``data/sub``."""
        return self._path(url).rpartition("/")[0]

    def _path(self, url: str) -> str:
        """Return the path of a file below its entry: ``data/sub/x.tif``."""
        root = unquote(urlsplit(self._root).path).removesuffix("data/")
        return unquote(urlsplit(url).path).removeprefix(root)
