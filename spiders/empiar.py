"""EMPIAR, the archive of raw electron microscopy: https://www.ebi.ac.uk/empiar/"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, field_validator

from imgcrawl.arguments import FileArguments
from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import (
    Bookmark,
    Document,
    Expects,
    FileItem,
    Missing,
    NotFollowed,
    Unreadable,
    Withdrawn,
)
from imgcrawl.records.outcomes import Outcome
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
        closed = f"EMPIAR-{number}"
        response = await self.fetch(api, dont_cache=True)
        if response.status in {401, 403}:
            yield _held(closed, api, f"EMPIAR answers HTTP {response.status}")
            return
        if response.status in {404, 410}:
            raise SourceError(
                f"EMPIAR has no public entry {number}: there is none, or it is not released yet."
            )
        self._record = parse_entry(await self.fetch_json(api, dont_cache=True), number)
        self._root = f"{self.settings['EMPIAR_FILES_URL']}{number}/data/"
        self.first = self._root
        record = self._record.record
        # The cache is for a run that is resumed: one that came to its end is no longer.
        before = self.bookmarks.get(record.bookmark)
        self.asks_anew = before is not None
        for words in record.news(before):
            self.logger.warning("%s", words)
        yield Expects(note=str(self._record))
        yield Document(CITATION, record.citation())
        self._listed: set[str] = set()
        self._is_whole = False
        try:
            async for output in super().records():
                yield output
        except SourceError:
            if not self._record.is_held:
                raise
            yield _held(closed, self._root, f"its status is {self._record.status}")
            return
        yield Withdrawn(closed)
        for record_id, url in self.recorded() if self._is_whole else ():
            if url.startswith(self._root) and record_id not in self._listed:
                yield Withdrawn(record_id)
        yield Bookmark(record.bookmark, record.number)

    async def found(self) -> AsyncIterator[FoundLink | Unreadable | NotFollowed]:
        """Yield the links of the index, and those that it should have by the record."""
        self._is_whole = False  # until the last of its folders has been read
        is_whole = True
        listed: dict[str, list[str]] = {i.directory: [] for i in self._record.imagesets}
        async for found in super().found():
            is_whole = is_whole and not isinstance(found, Unreadable)
            if isinstance(found, FoundLink):
                self._listed.add(super().item(found).record_id)
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
            is_whole = is_whole and not unknown
            for name in missing:
                self.logger.warning("%s is not in the index, but must be there: asking", name)
                asked = FoundLink(PageLink(base + quote(name)), base)
                self._listed.add(super().item(asked).record_id)
                yield asked
            if unknown:
                yield Unreadable(
                    base,
                    f"the record says {count:,} images, the index has {unknown:,} fewer, "
                    "and their names cannot be told",
                )
        self._is_whole = is_whole

    def item(self, found: FoundLink) -> FileItem:
        """Return the record of a file, which the day in the index tells from what it replaces."""
        item = super().item(found)
        item.revision = ("version", "listed_date", "listed_size")
        return item

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


def _held(entry: str, url: str, why: str) -> FileItem:
    """Return the record of an entry whose files are held back."""
    words = f"{entry} is not released, its files are restricted until it is: {why}"
    return FileItem(entry, [], f"files/{entry}", result=Missing(Outcome.FORBIDDEN, words, url))
