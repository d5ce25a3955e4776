"""The ISIC Archive of skin lesions: https://www.isic-archive.com, API v2."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from imgcrawl.records.items import Item
from imgcrawl.sources.isic.api import IsicApi
from imgcrawl.sources.isic.arguments import IsicArguments
from imgcrawl.sources.isic.challenge_set import ChallengeSet
from imgcrawl.sources.isic.challenges import CHALLENGES, Challenge
from imgcrawl.sources.isic.class_samples import ClassSamples
from imgcrawl.sources.isic.image_items import IsicImageItems, ListedImage
from imgcrawl.sources.isic.list_sync import IsicListSync
from imgcrawl.sources.isic.listing import IsicListing
from imgcrawl.sources.isic.login import TOKEN, IsicLogin
from imgcrawl.sources.isic.masks import SegLevel
from spiders.base.candidates import CandidatesSpider
from spiders.base.cursor_api import CursorApiSpider, CursorList

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from imgcrawl.records.items import Expects, SpiderOutput
    from imgcrawl.records.quotas import Quota
    from imgcrawl.sources.cursor_pages import CursorPage, CursorPosition


class IsicSpider(CursorApiSpider[IsicArguments], CandidatesSpider[IsicArguments]):
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
    _samples: ClassSamples
    _classes: list[Quota]
    _promised: int | None = None
    _is_promised = False
    _broken: dict[str, str]

    @cached_property
    def _login(self) -> IsicLogin:
        return IsicLogin(str(self.settings["ISIC_API_URL"]), os.environ.get(TOKEN, ""))

    @cached_property
    def _items(self) -> IsicImageItems:
        args = self.args
        descs_dir = args.descs_dir if args.descriptions else None
        places = (args.images_dir, args.layout, descs_dir, args.seg_dir)
        return IsicImageItems(IsicApi(self), args.images, *places)

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield images in the order they were taken in, each followed by its masks."""
        args = self.args
        await self._login.check(self)
        checked = await self._items.api.check(args.query)
        for correction in checked.corrections:
            self.logger.warning("query corrected: %s", correction)
        if args.segmentation:
            await self._items.with_masks(self, args.seg_level, attributes=args.attributes)
        search = args.search(checked.text)
        named = CHALLENGES[args.challenge] if args.challenge else Challenge()
        collections = [named.collection] if named.collection else args.collections
        if named.note:
            self.logger.info("%s: %s", args.challenge, named.note)
        self._params = await self._items.api.parameters(search, collections)
        if args.per_class:
            async for output in self._drawn():
                yield output
            return
        listed, total = await self._challenge() if named.tables else self._named()
        outputs = self._items.of_ids(listed, total, search) if total else self._list()
        async for output in outputs:
            yield output

    async def _drawn(self) -> AsyncIterator[SpiderOutput]:
        """Yield so many images of each class, and the texts of their licences."""
        args = self.args
        column, wanted, seed = args.class_column, args.per_class or 0, args.seed
        self._samples = ClassSamples(self, self._items, self._params, column, wanted, seed)
        self._classes = await self._samples.quotas()
        licences: set[str] = set()
        async for output in CandidatesSpider.records(self):
            if isinstance(output, Item):
                licences.add(str(output.metadata.get("copyright_license") or ""))
            yield output
        for name in sorted(licences):
            if text := await self._items.api.license_text(name):
                yield text

    def quotas(self) -> Iterator[Quota]:
        """Yield the classes that images are drawn of."""
        return iter(self._classes)

    async def candidates(self, quota: Quota) -> Iterator[Item]:
        """Return the images of a class in the order that the seed gives them."""
        return await self._samples.candidates(quota)

    async def more_candidates(self, quota: Quota) -> Iterator[Item]:
        """Return the next images of a class."""
        return await self._samples.more_candidates(quota)

    def _named(self) -> tuple[Iterable[ListedImage], int]:
        """Return the images that are named by their ids, and how many; none for a list."""
        ids, smaller = self.args.all_ids()
        if smaller:
            words = (
                "%s ids are of smaller copies (_downsampled): the archive has the whole pictures"
            )
            self.logger.warning(words, f"{smaller:,}")
        return map(ListedImage, ids), len(ids)

    async def _challenge(self) -> tuple[Iterable[ListedImage], int]:
        """Return the images of a challenge, and how many."""
        args, base = self.args, self.settings["ISIC_CHALLENGES_URL"]
        found = await ChallengeSet.of(str(args.challenge), args.tables, base, self.fetch_file)
        total, unlabelled, twice = await asyncio.to_thread(found.count)
        if unlabelled:
            self.logger.warning("%s of %s images have no label", f"{unlabelled:,}", f"{total:,}")
        if twice:
            words = "%s rows repeat an image: it has the label and split of its first row"
            self.logger.warning(words, f"{twice:,}")
        return islice(found, args.num_images), min(total, args.num_images or total)

    async def _list(self) -> AsyncIterator[SpiderOutput]:
        """Yield what a list has behind its bookmark; all of it, where it is not what it was."""
        wanted = await self.first_page()
        days = self.settings.getfloat("ISIC_SYNC_DAYS")
        self._broken = {}
        is_part = self.args.since is not None
        self._sync = IsicListSync(
            self._items.api, wanted.key, self.bookmarks, days, is_part=is_part
        )
        start = None if self.args.sync == "full" else self.saved(wanted)
        if start is None:
            self._sync.start_over()
        elif not wanted.is_whole:
            self.logger.info(
                "With num_images or offset only what is behind the bookmark is read: for what has "
                "changed before it leave them out, or type -a sync=full"
            )
        async for output in self.read(wanted, start):
            yield output
        if self._sync.is_empty and not self.args.since:
            yield await self._items.api.no_match(self._params)
        if wanted.is_whole:
            async for output in self._synced(wanted):
                yield output
        for output in self._items.broken(self._broken):
            yield output

    async def _synced(self, wanted: CursorList) -> AsyncIterator[SpiderOutput]:
        """Yield what else makes OUT what a first run would bring, and what has left the list."""
        async for record in self._sync.mended():
            async for output in self.records_of(record):
                yield output
        if why := self._sync.doubt():
            self.logger.info("The list is read from its beginning: %s", why)
            self._sync.start_over()
            async for output in self.read(wanted, None):
                yield output
        if (more := self._sync.settled(self._promised)).records:
            yield self._with_masks(more)
        async for output in self._sync.end(self.args.images):
            yield output

    async def first_page(self) -> CursorList:
        """Return the list of the images that match."""
        args, params = self.args, self._params
        key = f"isic {urlencode(params)} since={args.since} offset={args.offset}{self._login.name}"
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
        count = today.count if count is None else count
        promised = wanted.expects(None if args.since else count, page.position)
        self._promised = promised.records
        return self._with_masks(today.described(promised, args.images))

    def settled(self, wanted: CursorList, promised: Expects, last: int) -> Expects | None:
        """Return what a part of a list has come to; of a whole one, all that is read tells."""
        return None if wanted.is_whole else super().settled(wanted, promised, last)

    def _with_masks(self, promised: Expects) -> Expects:
        """Return a promise of images and their masks; nobody says how many `seg_level` leaves."""
        if not self.args.segmentation or promised.records is None:
            return promised
        if self.args.seg_level != SegLevel.ANY or self.args.attributes:
            return replace(promised, records=None, before=0)
        return replace(promised, records=2 * promised.records, before=2 * promised.before)

    def credentials(self, url: str) -> dict[str, str]:
        """Return the user's token for the API, and for nobody else: files lie on other hosts."""
        return self._login.headers(url)

    def records_of(self, record: dict[str, Any]) -> AsyncIterator[SpiderOutput]:
        """Yield an image, its masks, and the text of its licence."""
        return self._items.of_record(record)

    async def renew(self, item: Item) -> list[str]:
        """Return fresh addresses of an image whose signed ones have expired."""
        return await self._items.api.renew(item, self.args.images)
