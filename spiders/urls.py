"""Any list of URLs of pictures."""

from __future__ import annotations

import hashlib
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, field_validator, model_validator

from imgcrawl.arguments import ReadsStdin
from imgcrawl.lists.columns import Columns, digests_of, other_columns, urls_of
from imgcrawl.lists.opening import is_url, split_member
from imgcrawl.lists.reader import LOOKED_AT, find_columns, open_rows
from imgcrawl.lists.rows import MalformedRow, Row, excerpt
from imgcrawl.records.errors import ArgumentError
from imgcrawl.text.filenames import format_layout, layout_fields
from imgcrawl.text.signed_urls import address_id
from spiders.base.url_list import UrlListArguments, UrlListSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import Item, SpiderOutput


class UrlsArguments(UrlListArguments):
    """A list, and which of its columns is which."""

    list: Annotated[str, ReadsStdin()] = Field(
        description="txt, csv, tsv, json, jsonl or parquet, also compressed: a path, a URL, a "
        "member of a zip, or - for standard input",
        examples=["urls.csv", "https://example.org/list.parquet", "lists.zip#train.tsv"],
    )
    url: str | None = Field(None, description="the column with the URLs; else the likeliest")
    id: str | None = Field(None, description="the column with the ids; else the likeliest, or none")
    label: str | None = Field(None, description="likewise")
    caption: str | None = Field(None, description="likewise")
    md5: str | None = Field(
        None, description="likewise: what each file must hash to, hexadecimal or base64"
    )
    sha256: str | None = Field(None, description="likewise")
    layout: str | None = Field(
        None,
        description="names of files, made of columns and {id}; by default images/{id}",
        examples=["{label}/{id}"],
    )

    def lists(self) -> tuple[str, ...]:
        """Return the list."""
        return (self.list,)

    def columns(self) -> dict[str, str]:
        """Return the columns that are named, by role."""
        given = {role: getattr(self, role) for role in Columns.__slots__}
        return {role: name for role, name in given.items() if name}

    @field_validator("layout")
    @classmethod
    def _has_id(cls, layout: str | None) -> str | None:
        if layout is not None and "id" not in layout_fields(layout):
            raise ValueError("two pictures would share a name; put {id} in it")
        return layout

    @model_validator(mode="after")
    def _is_complete(self) -> UrlsArguments:
        if self.list != "-" and not is_url(self.list):
            try:
                with open_rows(*split_member(self.list)) as rows:
                    first = list(islice(rows, LOOKED_AT))
                find_columns(first, self.columns(), self.list)
            except ArgumentError as error:
                raise ValueError(str(error)) from error
        return self


class UrlsSpider(UrlListSpider[UrlsArguments]):
    """The pictures of any list of URLs; its other columns go through to metadata.csv.

    A URL that stands in the list several times is fetched once and stored for each record.
    Open Images' CSV, COCO's and LAION's lists are read as they are.
    """

    name = "urls"
    arguments: ClassVar[type[UrlsArguments]] = UrlsArguments
    example = "scrapy crawl urls -a list=urls.csv"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield a record for each row."""
        path, member = await self.local_list(self.args.list)
        with open_rows(path, member) as rows:
            first = list(islice(rows, LOOKED_AT))
            columns = find_columns(first, self.args.columns(), self.args.list)
            self.logger.info("Columns: %s", columns)
            for row in chain(first, rows):
                if isinstance(row, Row) and row.table and columns.url not in row.fields:
                    continue  # of another table: annotations, licences
                read = row if isinstance(row, MalformedRow) else self._read(row, columns)
                yield (
                    self.unreadable(self.args.list, read)
                    if isinstance(read, MalformedRow)
                    else read
                )

    def _read(self, row: Row, columns: Columns) -> Item | MalformedRow:
        urls = urls_of(row.fields, columns)
        if not urls:
            shown = excerpt(" ".join(str(value) for value in row.fields.values()))
            where = f"row {row.number}"
            return MalformedRow(row.number, where, f"no URL in {columns.url!r}", shown)
        given = row.fields.get(columns.id) if columns.id else None
        # Its line would be another record's once a line is added before it.
        record_id = address_id(urls[0]) if given in (None, "") else str(given)
        if self.args.layout:
            path = format_layout(self.args.layout, {**row.fields, "id": record_id})
        elif given in (None, ""):
            name = hashlib.sha256(record_id.encode("utf-8", "surrogatepass")).hexdigest()
            path = f"images/{name[:2]}/{name[:20]}"
        else:
            path = f"images/{record_id.replace('/', '_')}"
        item = self.item(record_id, urls, path, other_columns(row.fields, columns))
        item.digests = digests_of(row.fields, columns)
        return item
