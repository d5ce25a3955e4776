"""The ISIC Archive of skin lesions: https://www.isic-archive.com, API v2."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from imgcrawl.arguments import AnyCase, ImageArguments, ReadsStdin, Words
from imgcrawl.lists.ids import read_ids
from imgcrawl.records.errors import ArgumentError
from imgcrawl.sources.isic.api import IsicApi
from imgcrawl.sources.isic.image_items import IsicImageItems
from imgcrawl.sources.isic.list_sync import IsicListSync
from imgcrawl.sources.isic.listing import IsicListing
from imgcrawl.sources.isic.masks import SegLevel
from imgcrawl.sources.isic.query import (
    Filter,
    check_query,
    combine,
    filter_query,
    license_query,
    parse_id,
)
from imgcrawl.sources.isic.query_fields import check_column
from imgcrawl.storage.places import plain_folder
from imgcrawl.text.filenames import layout_fields
from spiders.base.cursor_api import CursorApiSpider, CursorList

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import Expects, Item, SpiderOutput
    from imgcrawl.sources.cursor_pages import CursorPage, CursorPosition


class IsicArguments(ImageArguments):
    """What the ISIC Archive can be asked for."""

    filter: Annotated[Filter | None, AnyCase] = Field(None, description="by diagnosis, any case")
    query: str = Field(
        "",
        description="in the archive's own language; checked before any request",
        examples=["age_approx:[20 TO 40] AND sex:female"],
    )
    collections: Words = Field([], description="ids or names", examples=["212", "HAM10000"])
    ids: Words = Field([], description="ISIC ids, or the 24 hex digits of the old archive")
    ids_file: Annotated[str | None, ReadsStdin()] = Field(
        None, description="a file of ids, one a line; - is standard input"
    )
    num_images: PositiveInt | None = Field(None, description="stop after so many images")
    offset: NonNegativeInt = Field(
        0, description="leave out the first so many matches, oldest first (they are paged through)"
    )
    since: date | None = Field(
        None,
        description="taken in by the archive on or after this day (YYYY-MM-DD, UTC), whenever they "
        "were published",
    )
    sync: Annotated[Literal["auto", "full"], AnyCase] = Field(
        "auto",
        description="auto: read what is new, and all of a list if its count, bytes or labels are "
        "other ones than those known, or after a week; full: all of it in any case",
    )
    license: Words = Field([], description="CC-0, CC-BY, CC-BY-NC")
    images: Annotated[Literal["full", "thumbnail", "none"], AnyCase] = Field(
        "full", description="which picture; none: only the metadata"
    )
    descriptions: bool = Field(False, description="each image's JSON beside it, one file each")
    images_dir: str = Field("images", description="below out")
    descs_dir: str = Field("descriptions", description="below out")
    seg_dir: str = Field("segmentations", description="below out")
    segmentation: bool = Field(
        False, description="masks too, from the IMA++ release and the challenges' ground truth"
    )
    seg_level: Annotated[SegLevel, AnyCase] = Field(
        SegLevel.ANY, description="whose masks; any: the best one of each image"
    )
    layout: str = Field(
        "{isic_id}",
        description="names below images_dir, made of columns",
        examples=["{diagnosis_1}/{isic_id}"],
    )

    @field_validator("layout")
    @classmethod
    def _has_id(cls, layout: str) -> str:
        if "isic_id" not in layout_fields(layout):
            raise ValueError("two images would share a name; put {isic_id} in it")
        for name in layout_fields(layout):
            check_column(name)
        return layout

    @field_validator("images_dir", "descs_dir", "seg_dir")
    @classmethod
    def _is_folder(cls, folder: str) -> str:
        return plain_folder(folder)

    @field_validator("query")
    @classmethod
    def _is_query(cls, query: str) -> str:
        check_query(query)
        return query

    @field_validator("license")
    @classmethod
    def _are_licenses(cls, names: list[str]) -> list[str]:
        license_query(names)
        return names

    @field_validator("ids")
    @classmethod
    def _are_ids(cls, ids: list[str]) -> list[str]:
        return list(dict.fromkeys(map(parse_id, ids)))

    @model_validator(mode="after")
    def _fits(self) -> IsicArguments:
        if "seg_level" in self.model_fields_set and not self.segmentation:
            raise ValueError(
                f"seg_level={self.seg_level} is about masks: type -a segmentation=1 as well"
            )
        if (self.ids or self.ids_file) and (self.offset or self.since or self.collections):
            raise ValueError(
                "ids name the images; offset, since and collections do not go with them"
            )
        if self.ids_file and self.ids_file != "-":
            try:
                read_ids(self.ids_file, parse_id)
            except ArgumentError as error:
                raise ValueError(str(error)) from error
        return self

    def all_ids(self) -> list[str]:
        """Return the ids that are asked for, each once; empty for all images that match."""
        given = [*self.ids, *(read_ids(self.ids_file, parse_id) if self.ids_file else ())]
        return list(dict.fromkeys(given))[: self.num_images]

    def search(self, query: str) -> str:
        """Return the query that filter, license and a checked `query` come to."""
        return combine(
            query,
            filter_query(self.filter) if self.filter else "",
            license_query(self.license) if self.license else "",
        )


class IsicSpider(CursorApiSpider[IsicArguments]):
    """Dermoscopic images with their diagnoses, licences and masks.

    API documentation: https://api.isic-archive.com/api/docs/swagger/
    Caveats: the API knows no masks and no offset (see the arguments); its sizes and counts are
    estimates.
    """

    name = "isic"
    arguments: ClassVar[type[IsicArguments]] = IsicArguments
    example = "scrapy crawl isic -a filter=benign -a num_images=100"

    _sync: IsicListSync
    _params: dict[str, str]
    _promised: int | None = None
    _is_promised = False
    _broken: dict[str, str]

    @cached_property
    def _items(self) -> IsicImageItems:
        args = self.args
        descs_dir = args.descs_dir if args.descriptions else None
        places = (args.images_dir, args.layout, descs_dir, args.seg_dir)
        return IsicImageItems(IsicApi(self), args.images, *places)

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield images in the order they were taken in, each followed by its masks."""
        args = self.args
        checked = await self._items.api.check(args.query)
        for correction in checked.corrections:
            self.logger.warning("query corrected: %s", correction)
        if args.segmentation:
            await self._items.with_masks(self, args.seg_level)
        ids, search = args.all_ids(), args.search(checked.text)
        self._params = await self._items.api.parameters(search, args.collections)
        async for output in self._items.of_ids(ids, search) if ids else self._list():
            yield output

    async def _list(self) -> AsyncIterator[SpiderOutput]:
        """Yield what a list has behind its bookmark; all of it, where it is not what it was."""
        wanted = await self.first_page()
        days = self.settings.getfloat("ISIC_SYNC_DAYS")
        self._broken = {}
        self._sync = IsicListSync(self._items.api, wanted.key, self.bookmarks, days)
        start = None if self.args.sync == "full" else self.saved(wanted)
        if start is None:
            self._sync.start_over()
        async for output in self.read(wanted, start):
            yield output
        if self._sync.today.count == 0:
            yield await self._items.api.no_match(self._params)
        for output in self._items.broken(self._broken):
            yield output
        if not wanted.is_whole:
            return
        async for record in self._sync.mended():
            async for output in self.records_of(record):
                yield output
        if why := self._sync.doubt():
            self.logger.info("The list is read from its beginning: %s", why)
            self._sync.start_over()
            async for output in self.read(wanted, None):
                yield output
        yield self._with_masks(self._sync.settled(self._promised))
        async for output in self._sync.end(self.args.images):
            yield output

    async def first_page(self) -> CursorList:
        """Return the list of the images that match."""
        args, params = self.args, self._params
        key = f"isic {urlencode(params)} since={args.since} offset={args.offset}"
        url = self._items.api.list_url(params, args.since)
        return CursorList(key, url, args.offset, args.num_images)

    async def pages(
        self, wanted: CursorList, start: CursorPosition | None
    ) -> AsyncIterator[CursorPage]:
        """Yield the pages of a list, without the images that this run has seen already."""
        listing = IsicListing(self, self._items.api, self._params)
        async for page in listing.pages(wanted.url, start):
            yield self._sync.take(page)
        self._broken |= listing.broken
        self._sync.lose(listing.broken)

    async def expects(self, wanted: CursorList, page: CursorPage) -> Expects | None:
        """Return how much is promised; the archive says it once, and only nearly."""
        if self._is_promised:
            return None
        self._is_promised = True
        if page.position and not wanted.is_whole:
            return self._with_masks(wanted.expects(page.count, page.position))
        args, count = self.args, page.count if page.position == 0 else None
        today = self._sync.today = await self._items.api.sums(self._params, count)
        promised = wanted.expects(None if args.since else today.count, page.position)
        self._promised = promised.records
        return self._with_masks(today.described(promised, args.images))

    def settled(self, wanted: CursorList, promised: Expects, last: int) -> Expects | None:
        """Return what a part of a list has come to; of a whole one, all that is read tells."""
        return None if wanted.is_whole else super().settled(wanted, promised, last)

    def _with_masks(self, promised: Expects) -> Expects:
        """Return a promise of images and their masks; nobody says how many `seg_level` leaves."""
        if not self.args.segmentation or promised.records is None:
            return promised
        if self.args.seg_level != SegLevel.ANY:
            return replace(promised, records=None, before=0)
        return replace(promised, records=2 * promised.records, before=2 * promised.before)

    def records_of(self, record: dict[str, Any]) -> AsyncIterator[SpiderOutput]:
        """Yield an image, its masks, and the text of its licence."""
        return self._items.of_record(record)

    async def renew(self, item: Item) -> list[str]:
        """Return fresh addresses of an image whose signed ones have expired."""
        return await self._items.api.renew(item, self.args.images)
