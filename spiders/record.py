"""Records of research data repositories, by DOI or link."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from pydantic import Field, field_validator, model_validator

from imgcrawl.arguments import FileArguments
from imgcrawl.records.errors import ArgumentError, SourceError
from imgcrawl.records.items import (
    Bookmark,
    Document,
    Expects,
    FileItem,
    Item,
    Missing,
    NotFollowed,
    Unreadable,
    Withdrawn,
)
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.repositories.find import doi_in, find_client, parse_doi, resolve, spider_of
from imgcrawl.sources.repositories.idr import study_of
from imgcrawl.sources.repositories.record import LOGIN, ClosedError, RepositoryFile
from imgcrawl.sources.repositories.seen import SeenRecords
from imgcrawl.sources.repositories.unpack import Unpacked
from imgcrawl.sources.web.page_link import LinkKind, PageLink
from imgcrawl.sources.web.wanted_files import WantedFiles
from imgcrawl.storage.directory import CITATION
from spiders.base.dataset import DatasetSpider
from spiders.empiar import EmpiarSpider
from spiders.omero import OmeroSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput
    from imgcrawl.sources.repositories.record import RepositoryRecord


class RecordArguments(FileArguments):
    """A record, by its DOI or a link to it, and which of its files are wanted."""

    doi: str | None = Field(None, description="its DOI", examples=["10.5281/zenodo.1234567"])
    url: str | None = Field(
        None, description="a link to it", examples=["https://zenodo.org/records/1234567"]
    )

    unpack: bool = Field(
        False, description="store what is in ZIP and TAR files in their place, each a record"
    )

    @field_validator("doi")
    @classmethod
    def _is_doi(cls, doi: str | None) -> str | None:
        if doi is not None and parse_doi(doi) is None:
            raise ValueError("type a DOI, such as 10.5281/zenodo.1234567")
        return doi

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"https?://[^/\s]", url):
            raise ValueError("type an address beginning with https://")
        return url

    @model_validator(mode="after")
    def _is_one(self) -> RecordArguments:
        if (self.doi is None) == (self.url is None):
            raise ValueError("which record? Give doi or url, one of them")
        return self

    def default_out(self, spider: str) -> str:
        """Return where the files go: each record has its own folder."""
        words = re.sub(r"[^\w.]+", "-", (self.doi or self.url or "").partition("://")[2] or "")
        words = words or re.sub(r"[^\w.]+", "-", self.doi or "")
        return f"{super().default_out(spider)}-{words.strip('-.')}"


# Sources of records that have a spider of their own, which reads them here.
_SPIDERS: dict[str, type[DatasetSpider[Any]]] = {"empiar": EmpiarSpider, "omero": OmeroSpider}


class RecordSpider(DatasetSpider[RecordArguments]):
    """The files of a record of a repository, each checked by the digest that the repository has.

    Zenodo and every InvenioRDM, Figshare, Dryad, Dataverse, OSF, Mendeley Data, BioStudies, the
    BioImage Archive, EMPIAR and the Image Data Resource. Folders are kept; a restricted file is
    `forbidden`. CITATION.cff says how to cite it.
    """

    name = "record"
    arguments: ClassVar[type[RecordArguments]] = RecordArguments
    example = "scrapy crawl record -a doi=10.5281/zenodo.1234567 -a match='*.tif'"
    # As `omero`, which reads what a DOI of the Image Data Resource leads to.
    custom_settings = OmeroSpider.custom_settings

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the files of the record."""
        doi = parse_doi(self.args.doi or self.args.url or "")
        url = await resolve(self, doi) if doi else str(self.args.url)
        client = None if spider_of(url) else find_client(self, url)
        if client is None and not doi and (doi := doi_in(url)):
            url = await resolve(self, doi)
            client = find_client(self, url)
        if (other := spider_of(url)) is not None:
            async for output in self._of_spider(*other, doi or ""):
                yield output
            return
        if client is None:
            raise SourceError(
                f"{url} is of no repository that is known here. Its links, without digests: "
                f"scrapy crawl static_page -a url={url}"
            )
        try:
            record = await client.record()
        except ClosedError as error:
            closed = Missing(Outcome.FORBIDDEN, f"{error} {LOGIN}", url)
            # Without an address: tried again, the page of the record would be taken for its file.
            yield FileItem(url, [], "files/closed", result=closed)
            return
        yield Withdrawn(url)  # what was closed to an earlier run
        for words in record.news(self.bookmarks.get(record.bookmark)):
            self.logger.warning("%s", words)
        is_sum = not (self.args.match or self.args.unpack)
        yield Expects(client.total if is_sum else None, note=str(record))
        yield Document(CITATION, record.citation())
        for part in record.parts:
            yield NotFollowed(part, "a part of the record that is a record of its own")
        wanted = WantedFiles(self.args.match)
        count = size = 0
        files = Unpacked(self, client.files(), self.args.unpack and not self.args.dry_run)
        async for file in files:
            if not wanted.matches(PageLink(f"https://x/{quote(file.path)}", kind=LinkKind.FILE)):
                continue
            count, size = count + 1, size + (file.size or 0)
            if count > (self.args.max_files or count) or size > (self.args.max_bytes or size):
                self.logger.warning("There are more files than max_files or max_bytes allow")
                return
            yield self._item(record, file)
        if short := files.shortfall(client.total, record.n_bytes):
            yield Unreadable(record.page, short)
        if not count:
            raise SourceError(f"{record.page} has no files that match {self.args.match or '*'}.")
        yield Bookmark(record.bookmark, record.number)

    async def _of_spider(
        self, name: str, arguments: dict[str, Any], doi: str
    ) -> AsyncIterator[SpiderOutput]:
        """Yield what the spider yields that a source has of its own."""
        asked = {"match": self.args.match, "max_files": self.args.max_files}
        asked["max_bytes"] = self.args.max_bytes
        known = _SPIDERS[name].arguments.model_fields
        arguments |= {key: value for key, value in asked.items() if value is not None}
        if unknown := arguments.keys() - known.keys():
            raise SourceError(f"{doi} is read by {name}, which has no {', '.join(unknown)}.")
        try:
            spider = _SPIDERS[name](**arguments)
        except ArgumentError as error:
            raise SourceError(str(error)) from error
        spider.crawler, spider.settings = self.crawler, self.settings
        spider.bookmarks, spider.recorded = self.bookmarks, self.recorded
        is_cited = False
        seen = SeenRecords(f"records:{doi}", self.bookmarks) if name == "omero" else None
        spider.asks_anew = seen is not None and seen.has_before
        async for output in spider.records():
            if seen is not None:
                seen.take(output)
            if name == "omero" and isinstance(output, Item) and not is_cited:
                is_cited = True
                study = study_of(output.metadata, arguments["link"], doi)
                yield Document(CITATION, study.citation())
            yield output
        if seen is not None and doi and not self.args.match:
            for words in seen.news():
                self.logger.warning("%s", words)
            for output in seen.end():
                yield output

    @staticmethod
    def _item(record: RepositoryRecord, file: RepositoryFile) -> FileItem:
        told = {"listed_size": file.size, "archive": file.archive or None}
        columns = record.columns() | {name: v for name, v in told.items() if v is not None}
        item = FileItem(
            f"{record.series}/{file.path}",
            list(file.urls),
            f"files/{file.path}",
            columns,
            digests=file.promised,
        )
        if file.closed:
            outcome = Outcome.FORBIDDEN if file.closed == LOGIN else Outcome.NOT_FOUND
            item.result = Missing(outcome, file.closed, file.urls[0])
        return item
