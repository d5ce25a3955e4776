"""``dry_run=1``: what a crawl would store, and how long that would take; nothing is stored."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from imgcrawl.crawl.lifecycle import run_of
from imgcrawl.download.file_headers import is_html
from imgcrawl.lists.unique_names import UniqueNames
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.items import (
    Bookmark,
    Document,
    Expects,
    Item,
    Missing,
    NotFollowed,
    Read,
    SharedBy,
    Unreadable,
    VolumeItem,
    Withdrawn,
)
from imgcrawl.records.ordinary import records_of
from imgcrawl.records.quotas import Quota
from imgcrawl.text.addresses import canonical
from imgcrawl.text.sizes import format_size, parse_size

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.http import Response

ASKED = 200  # files whose size the source does not tell, that their hosts are asked about
PROBE = 4 << 20  # bytes of the first file that are fetched to see how fast it comes
AT_ONCE = 4


class DryRun:
    """Lists records as they come, and sums them up at the end."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._counts = run_of(crawler).counts
        self._formats: Counter[str] = Counter()
        self._count = self._known = self._bytes = 0
        self._unknown: list[str] = []
        self._first: str | None = None
        self._addresses = UniqueNames()
        self._repeated = 0
        self._read: Read | None = None
        self._quotas: dict[str, Quota] = {}

    def add(self, output: Any) -> None:
        """Print a line for something that a spider yielded: ``bytes  path  URL`` for each file."""
        match output:
            case Quota():
                self._quotas[output.key] = output
            case Item():
                self._add(output)
                if (quota := self._quotas.get(output.quota or "")) is not None:
                    quota.count(1)  # every candidate is taken to be good
                    quota.ended()
            case Expects(note=str() as note) if note:
                _print(f"{'':>14}  {note}")
            case NotFollowed():
                _print(f"{'':>14}  not followed ({output.why}): {output.where}")
            case Unreadable():
                _print(f"{'':>14}  {output.where}: {output.problem}")
            case Read():
                self._read = output
            case Expects() | Bookmark() | Document() | Withdrawn() | SharedBy() | None:
                pass
            case _:
                for record in records_of(output, self._crawler.settings):
                    self._add(record)

    async def finish(self) -> None:
        """Ask the hosts for the sizes that the source does not tell, and print the sums."""
        sizes = await self._ask()
        self._known += len(sizes)
        self._bytes += sum(sizes)
        rate = await self._rate()
        _print(self._format(rate))

    def _add(self, item: Item) -> None:
        if isinstance(item, VolumeItem) and isinstance(item.result, Missing):  # its spider looked
            self._counts.foreseen_missing += 1
            missing = item.result
            _print(f"{'':>14}  {item.record_id}: {missing.outcome} ({missing.message})")
            return
        self._count += 1
        url = item.urls[0] if item.urls else ""
        sent = canonical(url)
        self._repeated += bool(sent) and self._addresses.name(sent) != sent
        # A volume is a folder: it has no size that its host could tell, and is no sample of speed.
        is_file = not isinstance(item, VolumeItem)
        size = item.metadata.get("listed_size") if item.body is None else len(item.body)
        self._first = self._first or (url if is_file and item.body is None else None)
        if isinstance(size, int):
            self._known += 1
            self._bytes += size
        elif url and is_file and len(self._unknown) < ASKED:
            self._unknown.append(url)
        name = (item.path if item.named else urlsplit(url).path).rpartition("/")[2]
        self._formats[name.rpartition(".")[2].lower() if "." in name else "?"] += 1
        shown = f"{size:>14,}" if isinstance(size, int) else f"{'?':>14}"
        _print(f"{shown}  {item.path}  {url}")

    async def _ask(self) -> list[int]:
        """Return the sizes in bytes of files of unknown size, as far as their hosts tell them."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def size(url: str) -> int | None:
            async with turns:
                request = Request(url, method="HEAD", meta={"media": True}, callback=NO_CALLBACK)
                response = await self._fetch(request)
            length = response.headers.get("Content-Length") if response else None
            if response is None or response.status != 200 or length is None:
                return None
            if is_html(response.headers) and not url.lower().endswith((".html", ".htm")):
                return None  # a page to log in, or about the file: its length is its own
            return parse_size(length.decode("latin-1"))

        found = await asyncio.gather(*map(size, self._unknown))
        return [each for each in found if each is not None]

    async def _rate(self) -> float | None:
        """Return the rate of one connection in bytes a second, by the first file."""
        if not self._first:
            return None
        headers = {"Range": f"bytes=0-{PROBE - 1}", "Accept-Encoding": "identity"}
        meta = {"download_maxsize": 2 * PROBE, "dont_cache": True, "media": True}
        request = Request(self._first, headers=headers, meta=meta, callback=NO_CALLBACK)
        started = monotonic()
        response = await self._fetch(request)
        if response is None or response.status not in {200, 206} or not response.body:
            return None
        return len(response.body) / max(monotonic() - started, 1e-3)

    async def _fetch(self, request: Request) -> Response | None:
        try:
            return await self._crawler.engine.download_async(request)
        except RecordMissing as error:
            _print(f"{'':>14}  {request.url}: {error.message}")
            return None

    def _format(self, rate: float | None) -> str:
        missing = self._counts.foreseen_missing
        lost = f"{missing:,} volumes cannot be had, for the reasons above." if missing else ""
        if not self._count:
            return f"Nothing would be stored. {lost}".strip()
        formats = ", ".join(f"{name} {n:,}" for name, n in self._formats.most_common())
        lines = [f"{self._count:,} files: {formats}."]
        if self._read is not None:
            lines.insert(0, str(self._read))
        if self._repeated:
            lines.append(f"{self._repeated:,} of their addresses stand there before.")
        if lost:
            lines.append(lost)
        total = self._bytes * self._count / self._known if self._known else 0.0
        nearly = "" if self._known == self._count else f"; {self._known:,} of them tell their size"
        size = f"{total / 1e9:,.2f} GB" if total >= 5e6 else format_size(round(total))
        lines.append(f"About {size}{nearly}." if self._known else "Of unknown size.")
        if rate and total:
            hosts = self._crawler.settings.getint("CONCURRENT_REQUESTS_PER_DOMAIN")
            seconds = total / (rate * hosts)
            hours, rest = divmod(round(seconds), 3600)
            lines.append(
                f"The first file comes at {rate / 1e6:,.1f} MB/s; with {hosts} connections about "
                f"{hours}:{rest // 60:02}:{rest % 60:02} hours."
            )
        lines.append("Nothing has been stored: without dry_run=1 it would be.")
        return "\n".join(lines)


def _print(text: str) -> None:
    printable = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    sys.stdout.write(f"{printable}\n")
