"""ImageNet by synset: https://www.image-net.org and the lists of URLs that it published."""

from __future__ import annotations

import asyncio
import io
from itertools import count
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from imgcrawl.lists.rows import MalformedRow
from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import ImageItem, Item
from imgcrawl.records.quotas import Quota
from imgcrawl.sources.imagenet.candidates import (
    Candidate,
    NoListError,
    UrlFile,
    check_answer,
    find_list,
    read_candidates,
)
from imgcrawl.sources.imagenet.synsets import Synset, Synsets
from spiders.base.candidates import CandidatesSpider
from spiders.imagenet_arguments import HOSTS, ImagenetArguments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from imgcrawl.records.items import SpiderOutput

MAX_FAILED_LISTS = 3  # in a row, until the API is taken for gone
ADVICE = "Give a list of your own: -a urls_file=fall11_urls.txt, or -a list_dir=DIR."


class ImagenetSpider(CandidatesSpider[ImagenetArguments]):
    """Pictures of synsets: of each the first N of its list of URLs that are good.

    Lists: your own copy of fall11_urls.txt (14 million URLs), a directory with one file a synset,
    or image-net.org's API, which is not always there. Names and hierarchy come with imgcrawl.
    Caveats: a quarter to a half of the URLs are dead; teddy (n04399382) is not in fall11_urls.txt.
    """

    name = "imagenet"
    arguments: ClassVar[type[ImagenetArguments]] = ImagenetArguments
    example = "scrapy crawl imagenet -a wnids_file=wnids.txt -a n=50"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Synsets and their candidates."""
        self._synsets = Synsets()
        self._wnids = self.args.chosen()
        self._hosts = tuple(host for name in self.args.hosts for host in HOSTS.get(name, (name,)))
        self._n_junk = 0
        self._turns = asyncio.Semaphore(2)  # so that an API that is gone is asked but a few times
        self._failed_lists, self._last_failure = 0, ""
        if self.args.urls_file:
            self._file = UrlFile(self.args.urls_file)
            self.logger.info("Looking for %s synsets in %s", len(self._wnids), self.args.urls_file)
            await asyncio.to_thread(self._file.index, set(self._wnids), self._progress)
        async for said in super().records():
            yield said
        if self._n_junk:
            self.logger.warning("%s lines of the lists are no candidates", f"{self._n_junk:,}")

    def quotas(self) -> Iterator[Quota]:
        """The synsets, in the order given."""
        for wnid, label in self._wnids.items():
            known = self._synsets.get(wnid)
            yield Quota(wnid, self.args.n, label or (known.label if known else ""))

    async def candidates(self, quota: Quota) -> Iterator[Item]:
        """What the list of a synset has on the hosts that are wanted, in its order."""
        found = []
        for candidate in await self._listed(quota.key):
            if isinstance(candidate, MalformedRow):
                self._n_junk += 1
                if self._n_junk <= 10:
                    self.logger.warning("No candidate: %s", candidate)
            elif self._is_wanted(candidate.url):
                found.append(candidate)
        quota.listed = len(found)
        return self._items(quota, found)

    def _items(self, quota: Quota, candidates: list[Candidate]) -> Iterator[Item]:
        wnid = quota.key
        synset = self._synsets.get(wnid) or Synset(wnid, quota.label, "", "")
        metadata = {"wnid": wnid, "label": quota.label} | {
            "lemmas": synset.lemmas,
            "definition": synset.definition,
        }
        for rank, candidate in zip(count(), candidates, strict=False):
            name = f"{wnid}_{candidate.number}"
            yield ImageItem(
                name, [candidate.url], f"{wnid}/{name}", dict(metadata), quota=wnid, rank=rank
            )

    async def _listed(self, wnid: str) -> list[Candidate | MalformedRow]:
        """All candidates of a synset; a few thousand at most. Raises SourceError without a list."""
        if self.args.urls_file:
            found = list(self._file.candidates(wnid))
            if not found:
                raise SourceError(f"{self.args.urls_file} has no lines of {wnid}")
            return found
        if self.args.list_dir:
            path = find_list(self.args.list_dir, wnid)
            if path is None:
                raise SourceError(f"{self.args.list_dir} has no file {wnid}.txt")
            with path.open("rb") as file:
                return list(read_candidates(file, wnid, path.name))
        return await self._from_api(wnid)

    async def _from_api(self, wnid: str) -> list[Candidate | MalformedRow]:
        async with self._turns:
            return await self._ask_api(wnid)

    async def _ask_api(self, wnid: str) -> list[Candidate | MalformedRow]:
        if self._failed_lists >= MAX_FAILED_LISTS:
            raise SourceError(f"image-net.org's API was not asked: {self._last_failure}")
        url = f"{self.settings['IMAGENET_API_URL']}imagenet.synset.geturls?wnid={wnid}"
        try:
            response = await self.fetch(url, cache="urls")
            if response.status != 200:
                raise NoListError(f"image-net.org answered HTTP {response.status}", broken=True)
            check_answer(response.body)
        except NoListError as error:
            self._failed_lists += error.broken
            self._last_failure = f"{error}. {ADVICE}"
            raise SourceError(self._last_failure if error.broken else f"{error}.") from error
        except SourceError as error:
            self._failed_lists += 1
            self._last_failure = f"{error} {ADVICE}"
            raise SourceError(self._last_failure) from error
        self._failed_lists = 0
        return list(read_candidates(io.BytesIO(response.body), wnid, f"the list of {wnid}"))

    def _is_wanted(self, url: str) -> bool:
        if not self._hosts:
            return True
        try:
            host = (urlsplit(url).hostname or "").lower()
        except ValueError:
            return False
        return any(host == wanted or host.endswith(f".{wanted}") for wanted in self._hosts)

    def _progress(self, position: int) -> None:
        self.logger.info("%s: %.1f GB read", self.args.urls_file, position / 1e9)
