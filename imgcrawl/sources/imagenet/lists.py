"""SynsetLists: the candidates of each synset, from a URL file, a folder of lists, or the API."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imgcrawl.lists.rows import MalformedRow
from imgcrawl.records.errors import SourceError
from imgcrawl.sources.imagenet.candidates import (
    Candidate,
    NoListError,
    check_answer,
    find_list,
    read_candidates,
)
from imgcrawl.sources.imagenet.url_file import UrlFile

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from imgcrawl.sources.fetcher import Fetcher

MAX_FAILED_LISTS = 3  # in a row, until the API is taken for gone
MAX_SHOWN = 10  # malformed lines that are logged one by one
ADVICE = "Give a list of your own: -a urls_file=fall11_urls.txt, or -a list_dir=DIR."


class SynsetLists:
    """Where pictures of synsets may be, in the order of the lists.

    urls_file: has the lines of many synsets
    list_dir:  has one file a synset
    hosts:     only candidates on these and the hosts below them; empty for any host

    With neither file nor folder, image-net.org's API is asked, until it is taken for gone.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        urls_file: str | None = None,
        list_dir: Path | None = None,
        hosts: Sequence[str] = (),
    ) -> None:
        self._fetcher = fetcher
        self._urls_file = urls_file
        self._list_dir = list_dir
        self._hosts = hosts
        self._turns = asyncio.Semaphore(2)  # so that an API that is gone is asked but a few times
        self._failed_lists, self._last_failure = 0, ""
        self.n_malformed = 0  # lines that are no candidates
        self.n_lines: dict[str, int] = {}  # of the lists of synsets that were opened

    async def open(self, wnids: Collection[str]) -> None:
        """Find the lines of these synsets in the URL file, if there is one."""
        if self._urls_file:
            self._file = UrlFile(self._urls_file)
            logger = self._fetcher.logger
            logger.info("Looking for %s synsets in %s", len(wnids), self._urls_file)
            await asyncio.to_thread(self._file.index, set(wnids), self._log_progress)

    async def candidates(self, wnid: str) -> list[Candidate]:
        """Return the candidates of a synset on the hosts that are wanted; a few thousand at most.

        Raises SourceError if the synset has no list.
        """
        found = []
        listed = await self._listed(wnid)
        self.n_lines[wnid] = len(listed)
        for candidate in listed:
            if isinstance(candidate, MalformedRow):
                self.n_malformed += 1
                if self.n_malformed <= MAX_SHOWN:
                    self._fetcher.logger.warning("No candidate: %s", candidate)
            elif self._is_wanted(candidate.url):
                found.append(candidate)
        return found

    async def _listed(self, wnid: str) -> list[Candidate | MalformedRow]:
        if self._urls_file:
            found = list(self._file.candidates(wnid))
            if not found:
                raise SourceError(f"{self._urls_file} has no lines of {wnid}")
            return found
        if self._list_dir:
            path = find_list(self._list_dir, wnid)
            if path is None:
                raise SourceError(f"{self._list_dir} has no file {wnid}.txt")
            with path.open("rb") as file:
                return list(read_candidates(file, wnid, path.name))
        async with self._turns:
            return await self._from_api(wnid)

    async def _from_api(self, wnid: str) -> list[Candidate | MalformedRow]:
        if self._failed_lists >= MAX_FAILED_LISTS:
            raise SourceError(f"image-net.org's API was not asked: {self._last_failure}")
        api = self._fetcher.settings["IMAGENET_API_URL"]
        url = f"{api}imagenet.synset.geturls?wnid={wnid}"
        try:
            response = await self._fetcher.fetch(url, cache="urls")
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

    def _log_progress(self, position: int) -> None:
        self._fetcher.logger.info("%s: %.1f GB read", self._urls_file, position / 1e9)
