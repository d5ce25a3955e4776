"""ClassSamples: of each class of images so many, drawn by a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import SourceError
from imgcrawl.records.quotas import Quota
from imgcrawl.sources.isic.listing import IsicListing
from imgcrawl.sources.isic.query import combine
from imgcrawl.sources.isic.query_fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from imgcrawl.records.items import ImageItem
    from imgcrawl.sources.fetcher import Fetcher
    from imgcrawl.sources.isic.image_items import IsicImageItems

SPARE = 2  # candidates for each image that is wanted: some cannot be had
_TOLD = 10  # values of a field that the archive names at least, the most frequent ones


@dataclass(slots=True)
class ClassSamples:
    """Draws from the classes of a search: the values of a column.

    params: of the search, see `IsicApi.parameters`
    wanted: images of each class
    seed:   the same gives the same images while the archive has them

    A large class is not read whole: the last digits of its ids are drawn first.
    """

    fetcher: Fetcher
    items: IsicImageItems
    params: dict[str, str]
    column: str
    wanted: int
    seed: int
    _counts: dict[str, int] = field(default_factory=dict)  # images of each class, by its key
    _values: dict[str, str] = field(default_factory=dict)

    async def quotas(self) -> list[Quota]:
        """Return the classes. Raises SourceError if the archive does not name them."""
        sums = await self.items.api.sums(self.params, None)
        counts = sums.facets.get(self.column, {})
        if not counts:
            raise SourceError(f"The archive names no values of {self.column} in this search.")
        if FIELDS[self.column].is_open and len(counts) >= _TOLD:
            words = "The archive names the %s most frequent values of %s; others are left out."
            self.fetcher.logger.warning(words, len(counts), self.column)
        self._values = {f"{self.column}:{value}": value for value in sorted(counts)}
        self._counts = {key: counts[value] for key, value in self._values.items()}
        return [Quota(key, self.wanted, value) for key, value in self._values.items()]

    async def candidates(self, quota: Quota) -> Iterator[ImageItem]:
        """Return the images of a class in the order that the seed gives them."""
        quota.listed = count = self._counts[quota.key]
        found: list[dict[str, Any]] = []
        for ending in self._endings(quota.key, count):
            found += [record async for record in self._ending_in(quota.key, ending)]
            if len(found) >= SPARE * self.wanted:
                break
        found.sort(key=lambda record: self._draw(str(record.get("isic_id"))))
        return map(self._candidate, [quota.key] * len(found), range(len(found)), found)

    def _endings(self, key: str, count: int) -> list[str]:
        """Return endings of ids in the order that they are read; one of them has enough, mostly."""
        digits = 0
        while count > 10 * 2 * SPARE * self.wanted:
            digits, count = digits + 1, count // 10
        endings = [f"{n:0{digits}d}" for n in range(10**digits)] if digits else [""]
        Random(f"{self.seed} {key}").shuffle(endings)  # noqa: S311
        return endings

    async def _ending_in(self, key: str, ending: str) -> AsyncIterator[dict[str, Any]]:
        terms = [f'{self.column}:"{self._values[key]}"']
        terms += [f"isic_id:*{ending}"] if ending else []
        query = combine(self.params.get("query", ""), *terms)
        params = self.params | {"query": query}
        listing = IsicListing(self.fetcher, self.items.api, params)
        async for page in listing.pages(self.items.api.list_url(params, None), None):
            for record in page.records:
                yield record

    def _draw(self, isic_id: str) -> bytes:
        return sha256(f"{self.seed} {isic_id}".encode()).digest()

    def _candidate(self, key: str, rank: int, record: dict[str, Any]) -> ImageItem:
        item = self.items.image(record)
        item.quota, item.rank = key, rank
        return item
