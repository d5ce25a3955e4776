"""The downloader: Scrapy's, with limits that hold, pauses for whole hosts, and a breaker.

The slots, their queues and how they are worked off are private parts of Scrapy's; its minor
version is pinned, and the tests tell when the fault worked around here has been mended.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from math import inf, isinf
from time import monotonic
from typing import TYPE_CHECKING, Any

from pydispatch.dispatcher import getAllReceivers, liveReceivers
from scrapy import Request, signals
from scrapy.core.downloader import Downloader as ScrapyDownloader
from scrapy.core.downloader import Slot
from scrapy.exceptions import NotSupported
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.asyncio import call_later
from scrapy.utils.httpobj import urlparse_cached

from imgcrawl.download.address_guard import AddressGuard
from imgcrawl.download.host_budget import HostBudget, open_registry
from imgcrawl.download.host_health import (
    UNREACHABLE,
    Admission,
    BreakerPolicy,
    HostHealth,
    HostHealthRegistry,
)
from imgcrawl.download.middlewares import Middlewares
from imgcrawl.download.pace import Pace
from imgcrawl.records.errors import ArgumentError, RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from scrapy import Spider
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from imgcrawl.download.host_registry import HostRecord

logger = logging.getLogger(__name__)

Turn = asyncio.Future[None]  # done when a request may be sent; an exception if it may not at all

SLOW_DOWN = frozenset({429, 503})


class Downloader(ScrapyDownloader):
    """Set by DOWNLOADER. Raises ArgumentError where ALLOWED_PRIVATE_NETWORKS cannot be meant."""

    def __init__(self, crawler: Crawler) -> None:
        try:
            AddressGuard.from_setting(crawler.settings["ALLOWED_PRIVATE_NETWORKS"])
        except ValueError as error:
            raise ArgumentError(str(error)) from error
        super().__init__(crawler)
        self._debugging = self.settings["LOG_LEVEL"] == "DEBUG"
        self._middlewares = Middlewares(self.middleware)
        self.hosts = HostHealthRegistry(BreakerPolicy.from_settings(self.settings))
        self.budget = self._open_budget()
        self.workers = self.sharers("a.host")
        self._share()
        self._floors: dict[str, float] = {}
        self._paces: dict[str, Pace] = {}
        self._stop = asyncio.Event()
        self._page_failed: Callable[[Request, Exception], None] | None = None

    @staticmethod
    def of(crawler: Crawler) -> Downloader:
        """Return the downloader of a running crawl. Raises TypeError if it is another."""
        downloader = crawler.engine.downloader
        if not isinstance(downloader, Downloader):
            raise TypeError(f"DOWNLOADER must be {Downloader.__module__}.Downloader")
        return downloader

    @property
    def stopping(self) -> bool:
        """Whether the run is being stopped: what is under way may end, nothing else starts."""
        return self._stop.is_set()

    def sharers(self, slot_key: str) -> int:
        """Return how many runs share the limits of a slot.

        One that is no host is a service, which all of them ask however the records are cut. Those
        on one machine share by their budget, and only the machines divide.
        """
        if "." in slot_key and self.settings["SHARD_BY"] == "host":
            return 1  # each host is asked by one of them
        machines = "SHARD_WORKERS" if self.budget is None else "SHARD_MACHINES"
        return max(1, self.settings.getint(machines))

    def _share(self) -> None:
        """Take of every limit what is this run's, where several ask the same hosts at once.

        A delay is between requests whatever their number, so it grows by the number of runs. One
        request at a time is the least: below that AutoThrottle's delay holds the sum.
        """
        self._delay *= self.workers
        self.domain_concurrency = max(1, self.domain_concurrency // self.workers)
        for key, own in self.per_slot_settings.items():
            shared, workers = dict(own), self.sharers(key)
            if "concurrency" in own:
                shared["concurrency"] = max(1, own["concurrency"] // workers)
            if "delay" in own:
                shared["delay"] = own["delay"] * workers
            self.per_slot_settings[key] = shared

    def pause(self, slot_key: str, seconds: float) -> None:
        """Start nothing of a host for so many seconds."""
        self.hosts.pause(slot_key, seconds)

    def slow_down(self, slot_key: str, delay: float) -> None:
        """Keep requests to a host at least `delay` seconds apart, as its robots.txt asks."""
        self._floors[slot_key] = max(delay * self.workers, self._floors.get(slot_key, 0.0))

    def floor(self, slot_key: str) -> float:
        """Return the least delay of a host in seconds: its Crawl-delay or pace, or the setting."""
        configured = self.per_slot_settings.get(slot_key, {}).get("delay")
        if configured is None:
            configured = self.settings.getfloat("DOWNLOAD_DELAY") * self.workers
        pace = self._paces.get(slot_key)
        slowed = pace.delay * self.sharers(slot_key) if pace else 0.0
        return max(float(configured), self._floors.get(slot_key, 0.0), slowed)

    def interrupt(self) -> None:
        """Fail all that has not been sent yet, and all that is still to come."""
        self._stop.set()
        for slot in self.slots.values():
            self._fail_queue(slot, _interrupted)

    def on_page_failed(self, callback: Callable[[Request, Exception], None]) -> None:
        """Call back when what a spider's callback waits for cannot be had."""
        self._page_failed = callback

    def fetch(self, request: Request, spider: Spider | None = None) -> Deferred[Any]:
        """Fetch, as Scrapy does."""
        fetched: Deferred[Any] = super().fetch(request)
        if request.callback is NO_CALLBACK or self._page_failed is None:
            return fetched
        return fetched.addErrback(self._note_failure, request)

    def _note_failure(self, failure: Failure, request: Request) -> Failure:
        if isinstance(failure.value, Exception) and self._page_failed is not None:
            self._page_failed(request, failure.value)
        return failure

    def needs_backout(self) -> bool:
        """Return whether pages have to wait; the media under way do not keep them waiting."""
        if not super().needs_backout():
            return False
        slot = self.crawler.engine._slot
        if slot is None or not slot.scheduler.has_pending_requests():
            return True
        n_pages = sum(request.callback is not NO_CALLBACK for request in self.active)
        return n_pages >= self.total_concurrency

    async def sleep(self, seconds: float) -> None:
        """Wait, outside of any slot. Raises RecordMissing (interrupted) once the run is stopped."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        if self.stopping:
            raise _interrupted()

    def _get_slot(self, request: Request, spider: Spider | None = None) -> tuple[str, Slot]:
        key, slot = super()._get_slot(request)
        if (floor := self._floors.get(key)) is not None:
            # Jitter would take half of the delay away every now and then.
            slot.delay, slot.jitter = max(slot.delay, floor), 0.0
        return key, slot

    def _open_budget(self) -> HostBudget | None:
        """Return what is shared with the other jobs of this machine, if anything can be."""
        registry = open_registry(self.settings)
        if registry is None:
            return None
        # A replica stands in for hosts that it must not be taken for.
        replica = self.settings["WEB_REPLICA_URL"]
        prefix = f"{replica} " if replica else ""
        budget = HostBudget(registry, prefix, self._adopt, self._keep_limits_alone)
        self.hosts.on_change = self._tell
        return budget

    def _keep_limits_alone(self) -> None:
        """Divide what was shared with other shards by a file that cannot be used any more."""
        self.budget = self.hosts.on_change = None
        before, self.workers = self.workers, self.sharers("a.host")
        for slot in self.slots.values():
            slot.concurrency = max(1, slot.concurrency * before // self.workers)
            slot.delay *= self.workers / before
        self.domain_concurrency = max(1, self.domain_concurrency * before // self.workers)

    def _adopt(self, key: str, other: HostRecord) -> None:
        """Take over what another job of this machine has learnt of a host."""
        before = self.floor(key)
        self.hosts.adopt(key, other)
        if other.pace:
            pace = self._paces.setdefault(key, self._new_pace())
            pace.delay, pace.slowed_at = other.pace, other.slowed_at
            pace.refused_since = None if isinf(other.refused_since) else other.refused_since
        else:
            self._paces.pop(key, None)
        if slot := self.slots.get(key):
            self._follow_floor(key, slot, before)

    def _tell(self, key: str) -> None:
        """Tell the other jobs of this machine what this one has learnt of a host."""

        def write(other: HostRecord) -> None:
            self.hosts.tell(key, other)
            pace = self._paces.get(key)
            other.pace, other.slowed_at = (pace.delay, max(0.0, pace.slowed_at)) if pace else (0, 0)
            since = pace.refused_since if pace else None
            other.refused_since = inf if since is None else since

        if self.budget is not None:
            self.budget.tell(key, write)

    async def download(self, request: Request) -> Response:
        """Fetch what a pipeline asks for, as the engine's `download_async` does.

        By the same middlewares and limits, redirects and tries again included, without what the
        engine does for a page besides. Raises RecordMissing, and what a user's middleware raises.
        """
        engine = self.crawler.engine._slot  # which closes no crawl while it knows of a request
        assert engine is not None
        engine.add_request(first := request)
        try:
            result: Response | Request = request
            while isinstance(result, Request):
                request = result
                result = await self._middlewares.download(request, self._enqueue_request)
        finally:
            if engine.closing is None or not engine.closing.called:  # Scrapy would call it again
                engine.remove_request(first)
        if result.request is None:
            result.request = request
        if self._debugging:  # Scrapy's root logger makes a record of what nobody reads, too
            logger.debug("Fetched (%d) %s", result.status, result.request)
        self._tell_all(signals.response_received, result.request, response=result)
        return result

    def _tell_all(self, signal: object, request: Request, **others: Any) -> None:
        if any(liveReceivers(getAllReceivers(self.signals.sender, signal))):  # there are few
            spider = self.crawler.spider
            self.signals.send_catch_log(signal=signal, request=request, spider=spider, **others)

    async def _enqueue_request(self, request: Request) -> Response:
        """Wait for a request's turn at its host, and send it."""
        if self.stopping:
            raise _interrupted()
        if error := self.hosts.given_up(self.get_slot_key(request)):
            raise error
        key, slot = self._get_slot(request)
        request.meta[self.DOWNLOAD_SLOT] = key
        slot.active.add(request)
        self._tell_all(signals.request_reached_downloader, request)
        turn: Turn = asyncio.get_running_loop().create_future()
        _queue(slot).append((request, turn))
        self._process_queue(slot)
        try:
            await turn
            return await self._download(slot, request)
        finally:
            slot.active.discard(request)
            if request in slot.transferring:  # cancelled when its turn had come
                slot.transferring.discard(request)
                self._process_queue(slot)

    def _process_queue(self, slot: Slot) -> None:
        if not slot.queue:
            return
        key = slot.queue[0][0].meta[self.DOWNLOAD_SLOT]
        health = self.hosts.get(key)
        if health is None:
            self._send(key, slot)
            return
        now = monotonic()
        match health.admits(now):
            case Admission.ALL:
                self._send(key, slot)
            case Admission.PROBE:
                self._send_probe(key, slot, health)
            case Admission.NONE:
                if slot.latercall is None and (seconds := health.wait(now)) > 0:
                    slot.latercall = call_later(seconds, self._latercall, slot)
            case Admission.NEVER:
                self._fail_queue(slot, lambda: self.hosts.given_up(key) or _interrupted())
                if self.budget is not None:
                    self.budget.ended(key, slot)

    def _send(self, key: str, slot: Slot) -> None:
        """Send what the limits of a host let through, those of other jobs' requests included."""
        if self.budget is None:
            self._give_turns(slot)
        else:
            again = partial(self._process_queue, slot)
            self.budget.serve(key, slot, self._give_turns, again)

    def _give_turns(self, slot: Slot) -> None:
        """Send what the limits of a host let through, as Scrapy does.

        Scrapy (2.19) counts a request as transferring only when a task of its own first runs, which
        is after the loop over the queue: without a delay, nothing limits a slot there.
        """
        if slot.latercall is not None:
            return
        now, delay, queue = monotonic(), slot.download_delay(), _queue(slot)
        if delay and (wait := slot.lastseen + delay - now) > 0:
            slot.latercall = call_later(wait, self._latercall, slot)
            return
        while queue and slot.free_transfer_slots() > 0:
            request, turn = queue.popleft()
            if turn.done():
                continue  # nobody waits for it any more
            slot.lastseen = now
            slot.transferring.add(request)
            turn.set_result(None)
            if delay:
                self._process_queue(slot)
                break

    def _send_probe(self, key: str, slot: Slot, health: HostHealth) -> None:
        """Let one request through, once nothing else of the host is under way."""
        if self.budget is not None and not self.budget.may_probe(key):
            if slot.latercall is None:  # another job is at it
                slot.latercall = call_later(health.patience.cooldown / 10, self._latercall, slot)
            return
        queued, concurrency = len(slot.queue), slot.concurrency
        slot.concurrency = 1
        try:
            self._send(key, slot)
        finally:
            slot.concurrency = concurrency
        health.probing = len(slot.queue) < queued
        if not health.probing and self.budget is not None:
            self.budget.probe_ended(key)

    async def _download(self, slot: Slot, request: Request) -> Response:
        key = request.meta[self.DOWNLOAD_SLOT]
        sent = monotonic()
        try:
            response = await self.handlers.download_request_async(request)
        except NotSupported as error:
            scheme = urlparse_cached(request).scheme
            raise RecordMissing(
                Outcome.BAD_URL, f"{scheme}: addresses are not fetched", tries=0
            ) from error
        except RecordMissing as error:
            if error.outcome in UNREACHABLE:
                self.hosts.failed(key, error)
            else:
                self.hosts.answered(key)
            raise
        else:
            self._tell_all(signals.response_downloaded, request, response=response)
            self._judge_pace(key, slot, request, response.status, sent)
            if response.status == 429:
                self.hosts.limited(key, RecordMissing(Outcome.RATE_LIMITED, "HTTP 429"))
            else:
                self.hosts.answered(key)
            return response
        finally:
            slot.transferring.discard(request)
            health = self.hosts.get(key)
            if self.budget is not None and (health is None or health.probing):
                self.budget.probe_ended(key)
            self.hosts.probe_ended(key)
            self._process_queue(slot)
            if self.budget is not None:
                self.budget.ended(key, slot)  # what the next request has not taken over
            self._tell_all(signals.request_left_downloader, request)

    def _judge_pace(self, key: str, slot: Slot, request: Request, status: int, sent: float) -> None:
        """Slow a host down that says 429 or 503, and speed it up again as it answers."""
        before = self.floor(key)
        if status in SLOW_DOWN:
            # A 503 that comes again may be the state of one file rather than of the host.
            if status == 429 or not request.meta.get("retry_times"):
                pace = self._paces.setdefault(key, self._new_pace())
                pace.refused(sent, now := monotonic())
                if pace.is_hopeless(now):
                    pause = self.settings.getfloat("HOST_DOWN_TIME")
                    self.hosts.refused(key, pause, f"HTTP {status} to every request")
                    del self._paces[key]
        elif known := self._paces.get(key):
            known.answered(sent)
            if not known.delay:
                del self._paces[key]
        else:
            return
        self._follow_floor(key, slot, before)
        self._tell(key)

    def _follow_floor(self, key: str, slot: Slot, before: float) -> None:
        """Set the delay of a host whose floor was another one before.

        One that is longer for another reason stays: AutoThrottle shortens its own.
        """
        after = self.floor(key)
        slot.delay = after if slot.delay <= before else max(slot.delay, after)

    def _new_pace(self) -> Pace:
        base = self.settings.getfloat("RETRY_BACKOFF_BASE", 1.0)
        return Pace(base / 10, self.settings.getfloat("AUTOTHROTTLE_MAX_DELAY", 60.0))

    def _slot_gc(self, age: float = 60) -> None:
        super()._slot_gc(age)
        self.hosts.forget_idle()
        if self.budget is not None:
            self.budget.forget({*self.slots})

    def close(self) -> None:
        """Stop, as Scrapy does, and give back what is shared; what is in flight goes on."""
        super().close()
        if self.budget is not None:
            self.budget.close()
        for slot in self.slots.values():
            self._process_queue(slot)  # its timer is gone

    @staticmethod
    def _fail_queue(slot: Slot, error: Callable[[], RecordMissing]) -> None:
        queue = _queue(slot)
        while queue:
            _, turn = queue.popleft()
            if not turn.done():
                turn.set_exception(error())


def _queue(slot: Slot) -> deque[tuple[Request, Turn]]:
    """Return the requests that wait for their turns; Scrapy's own have a Deferred in its place."""
    queue: Any = slot.queue
    return queue  # type: ignore[no-any-return]


def _interrupted() -> RecordMissing:
    return RecordMissing(
        Outcome.INTERRUPTED, "the run was stopped before this was fetched", tries=0
    )
