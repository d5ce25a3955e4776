"""ClassSamples: of each class of images so many, drawn by a seed."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

from imgcrawl.records.errors import SourceError
from imgcrawl.records.quotas import Quota
from imgcrawl.sources.isic.api import BATCH
from imgcrawl.sources.isic.id_set import number_of
from imgcrawl.sources.isic.listing import PAGE, IsicListing
from imgcrawl.sources.isic.query import combine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from imgcrawl.records.items import ImageItem
    from imgcrawl.sources.fetcher import Fetcher
    from imgcrawl.sources.isic.image_items import IsicImageItems

SPARE = 2  # candidates for each image that is wanted, at first: some cannot be had


@dataclass(slots=True)
class _ClassDraw:
    """How far a class has been drawn.

    endings: of ids, those that are yet to be read, the next one last
    numbers: of ids that have been read and are yet to be handed out, the next one last
    ranked:  how many candidates have been handed out
    """

    endings: list[str]
    numbers: array[int] = field(default_factory=lambda: array("I"))
    ranked: int = 0


@dataclass(slots=True)
class ClassSamples:
    """Draws from the classes of a search: the values of a column.

    params: of the search, see `IsicApi.parameters`
    wanted: images of each class
    seed:   the same gives the same images while the archive has them

    A large class is not read whole: the last digits of its ids are drawn first, and further ones
    are read where too few of the images can be had. Four bytes are kept of each candidate (some 150
    while they are put in order), and the records of `BATCH` at a time.
    """

    fetcher: Fetcher
    items: IsicImageItems
    params: dict[str, str]
    column: str
    wanted: int
    seed: int
    _counts: dict[str, int] = field(default_factory=dict)  # images of each class, by its key
    _terms: dict[str, str] = field(default_factory=dict)  # of queries, by the keys of classes
    _draws: dict[str, _ClassDraw] = field(default_factory=dict)

    async def quotas(self) -> list[Quota]:
        """Return the classes. Raises SourceError if the archive does not name them."""
        counts = await self.items.api.values(self.column, self.params)
        if not counts:
            raise SourceError(f"The archive names no values of {self.column} in this search.")
        values = {f"{self.column}:{value}": value for value in sorted(counts)}
        self._counts = {key: counts[value] for key, value in values.items()}
        self._terms = {key: f'{self.column}:"{value}"' for key, value in values.items()}
        return [Quota(key, self.wanted, value) for key, value in values.items()]

    async def candidates(self, quota: Quota) -> Iterator[ImageItem]:
        """Return the first images of a class in the order that the seed gives them."""
        quota.listed = count = self._counts[quota.key]
        self._draws[quota.key] = _ClassDraw(self._endings(quota.key, count))
        return await self.more_candidates(quota)

    async def more_candidates(self, quota: Quota) -> Iterator[ImageItem]:
        """Return the next images of a class; none if it has no more."""
        draw = self._draws[quota.key]
        found: list[ImageItem] = []
        while not found and (draw.numbers or draw.endings):
            if not draw.numbers:
                await self._read(quota.key, draw)
            at = max(0, len(draw.numbers) - BATCH)
            ids = [f"ISIC_{number:07d}" for number in reversed(draw.numbers[at:])]
            del draw.numbers[at:]
            found = [item async for item in self._items_of(quota.key, ids, draw)]
        return iter(found)

    async def _items_of(
        self, key: str, ids: list[str], draw: _ClassDraw
    ) -> AsyncIterator[ImageItem]:
        """Yield images in the order of their ids; those that have left the class are left out."""
        query = combine(self.params.get("query", ""), self._terms[key])
        records = [r async for batch in self.items.api.find(ids, query) for r in batch.records]
        by_id = {str(record.get("isic_id")): record for record in records}
        for isic_id in ids:
            if record := by_id.get(isic_id):
                item = self.items.image(record)
                item.quota, item.rank = key, draw.ranked
                draw.ranked += 1
                yield item

    def _endings(self, key: str, count: int) -> list[str]:
        """Return the endings of ids, drawn; none has more than is read at once."""
        digits = 0
        while count > max(PAGE, SPARE * self.wanted):
            digits, count = digits + 1, count // 10
        endings = [f"{n:0{digits}d}" for n in range(10**digits)] if digits else [""]
        Random(f"{self.seed} {key}").shuffle(endings)  # noqa: S311
        return endings

    async def _read(self, key: str, draw: _ClassDraw) -> None:
        """Read the ids with some more endings, enough of them if there are."""
        found: set[int] = set()
        while draw.endings and len(found) < SPARE * self.wanted:
            found |= {number async for number in self._numbers_with(key, draw.endings.pop())}
        draw.numbers = array("I", sorted(found, key=self._place, reverse=True))

    async def _numbers_with(self, key: str, ending: str) -> AsyncIterator[int]:
        terms = [self._terms[key], *([f"isic_id:*{ending}"] if ending else [])]
        params = self.params | {"query": combine(self.params.get("query", ""), *terms)}
        listing = IsicListing(self.fetcher, self.items.api, params)
        async for page in listing.pages(self.items.api.list_url(params, None), None):
            for record in page.records:
                if (number := number_of(record.get("isic_id"))) is not None:
                    yield number

    def _place(self, number: int) -> bytes:
        return sha256(f"{self.seed} ISIC_{number:07d}".encode()).digest()
