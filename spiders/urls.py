"""Any list of URLs of pictures."""

from __future__ import annotations

import codecs
import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from imgcrawl.arguments import AnyCase, ReadsStdin
from imgcrawl.lists.addresses import without_extension
from imgcrawl.lists.description import describe, rivals
from imgcrawl.lists.listed import ListedPicture, ListedPictures
from imgcrawl.lists.look import Found, Sample, find_columns, look, open_looked_at
from imgcrawl.lists.names import NAMES
from imgcrawl.lists.opening import split_member
from imgcrawl.lists.parts import is_remote, parts_of
from imgcrawl.lists.rows import MalformedRow
from imgcrawl.lists.template import Template, is_template
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.held_body import BodyRoom, HeldBody, address_in_list
from imgcrawl.records.items import Bookmark, Read
from imgcrawl.sources.column_question import column_of_pictures
from imgcrawl.text.signed_urls import address_id
from imgcrawl.text.suggest import did_you_mean
from spiders.base.list_parts import ListParts
from spiders.base.url_list import (
    UrlListArguments,
    UrlListSpider,
    checked_layout,
    laid_out,
    list_name,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import Item, SpiderOutput


class UrlsArguments(UrlListArguments):
    """A list, and which of its columns is which."""

    list: Annotated[str, ReadsStdin()] = Field(
        description="txt, csv, tsv, json, jsonl or parquet, also compressed: a path, a folder, a "
        "glob, several with commas between them, an address (https, s3, gs, hf), a member of an "
        "archive, or - for standard input",
        examples=["urls.csv", "laion/*.parquet", "lists.zip#train.tsv", "hf://datasets/ACME/PETS"],
    )
    url: str | None = Field(
        None,
        description="the column with the URLs, or the path to them in nested records, or an "
        "address made of columns; else the likeliest column",
        examples=["image_url", "media[].content", "https://host/{photo_id}/original.{extension}"],
    )
    path: str | None = Field(None, description="the same as url, for a path")
    encoding: str = Field(
        "",
        description="of a text that is neither UTF-8 nor UTF-16; by default Windows-1252",
        examples=["gb18030"],
    )
    base: str | None = Field(
        None,
        description="the address that the names of files in the list are below",
        examples=["https://host/images/"],
    )
    several: Annotated[Literal["auto", "records", "mirrors"], AnyCase] = Field(
        "auto",
        description="what several addresses of one row are: pictures of their own, or addresses of "
        "the same; auto: mirrors if named so, else pictures",
    )
    id: str | None = Field(None, description="the column with the ids; else the likeliest, or none")
    label: str | None = Field(None, description="likewise")
    caption: str | None = Field(None, description="likewise")
    md5: str | None = Field(
        None, description="likewise: what each file must hash to, hexadecimal or base64"
    )
    sha256: str | None = Field(None, description="likewise")
    layout: str | None = Field(
        None,
        description="names of files, made of columns, {bucket} and {id}; by default images/{id}",
        examples=["{label}/{id}"],
    )

    def lists(self) -> tuple[str, ...]:
        """Return the list."""
        return (self.list,)

    def columns(self) -> dict[str, str]:
        """Return the columns that are named, by role."""
        given = {role: getattr(self, role) for role in NAMES}
        given["url"] = self.url or self.path
        return {role: name for role, name in given.items() if name}

    def find(self, sample: Sample, name: str, **chosen: str) -> Found:
        """Return what a part of the list is. Raises ArgumentError.

        chosen: columns that were found out by asking
        """
        return find_columns(sample, chosen | self.columns(), name, self.base or "")

    @field_validator("url")
    @classmethod
    def _is_template(cls, url: str | None) -> str | None:
        if url is not None and is_template(url):
            Template(url)
        return url

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, encoding: str) -> str:
        try:
            return encoding and codecs.lookup(encoding).name
        except LookupError:
            known = ("utf-8", "utf-16", "windows-1252", "gb18030", "big5", "shift_jis", "euc_kr")
            guess = did_you_mean(encoding, known)
            raise ValueError(f"there is no encoding {encoding!r}{guess}") from None

    @field_validator("layout")
    @classmethod
    def _has_id(cls, layout: str | None) -> str | None:
        return None if layout is None else checked_layout(layout)

    @model_validator(mode="after")
    def _is_complete(self) -> UrlsArguments:
        try:
            for part in parts_of(self.list):
                if part != "-" and not is_remote(part):
                    self.find(look(*split_member(part), self.encoding), part)
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
        read, said = Read(0, 0, 0), ""
        async for part in ListParts(self).of(self.args.list):
            opened = open_looked_at(part.path, part.member, self.args.encoding)
            with opened as (sample, rows):
                found = self.args.find(sample, part.name)
                if (names := rivals(sample, found)) and "url" not in self.args.columns():
                    yield (chosen := await self._choice(names, found.columns.url))
                    found = self.args.find(sample, part.name, url=chosen.value)
                if str(found) != said:
                    said = str(found)
                    self.logger.info("Columns: %s", found)
                    for line in describe(sample, found):
                        self.logger.info("%s", line)
                pictures = ListedPictures(found, self.args.several, part.split)
                for each in pictures.read(rows):
                    if isinstance(each, MalformedRow):
                        yield self.unreadable(part.name, each)
                    else:
                        await self._room.wait()
                        yield self._item(each, part.name)
            for line in pictures.told():
                self.logger.info("%s", line)
            read += pictures.read_so_far()
        if self.repeated:
            self.logger.info(
                "%s records have the id of another: ~2 and so on is behind it", f"{self.repeated:,}"
            )
        yield read

    async def _choice(self, names: dict[str, list[str]], likeliest: str) -> Bookmark:
        """Return which of several columns has the pictures, as a bookmark for later runs.

        A host that is down tomorrow must not make the list another one.
        """
        key = f"column of pictures among {', '.join(sorted(names))}"
        known = self.bookmarks.get(key)
        if known is None and self.settings["SHARD"]:
            # Each of the shards would ask for itself, and might be told something else.
            self.logger.warning("One of %s has the pictures? Name it with -a url=", [*names])
            known = likeliest
        return Bookmark(key, known or await column_of_pictures(self, names, likeliest))

    @cached_property
    def _room(self) -> BodyRoom:
        return BodyRoom()

    @staticmethod
    def _nameless_id(picture: ListedPicture) -> str:
        """Return what identifies a picture by itself: its line would be another's one day."""
        return picture.digests["sha256"] if picture.body else address_id(picture.urls[0])

    def _item(self, picture: ListedPicture, part: str) -> Item:
        if picture.body:
            picture.urls.append(address_in_list(list_name(part), picture.place))
        record_id = picture.id or self._nameless_id(picture)
        if self.args.layout:
            stem = without_extension(record_id)
            path = laid_out(self.args.layout, {**picture.fields, "id": stem})
        elif not picture.id:
            name = hashlib.sha256(record_id.encode("utf-8", "surrogatepass")).hexdigest()
            path = f"images/{name[:2]}/{name[:20]}"
        else:
            path = f"images/{without_extension(record_id).replace('/', '_')}"
        item = self.item(record_id, picture.urls, path, picture.metadata)
        item.digests = picture.digests
        item.body = HeldBody(picture.body, self._room) if picture.body else None
        return item
