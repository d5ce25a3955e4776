"""Limits that hold, pauses of whole hosts, dead hosts, stops, throttling."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import Headers

from imgcrawl.download.downloader import Downloader
from imgcrawl.download.errors import UnknownHost
from imgcrawl.download.host_health import Admission, BreakerPolicy, HostHealthRegistry
from imgcrawl.download.retry import retry_after
from imgcrawl.records.errors import ArgumentError, RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.download.harness import crawl, fetch, outcome, outcomes
from tests.download.server import Answer, Asked, Connection, Server, after, http

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


def urls(server: Server, n: int) -> list[str]:
    return [server.url(f"/{number}") for number in range(n)]


# Limits


async def _most_at_once(crawler: Crawler) -> int:
    async with Server({"*": after(0.03, http(b"abc"))}) as server:
        assert await outcomes(crawler, urls(server, 40)) == ["200"] * 40
        return server.most_active


@pytest.mark.parametrize("throttled", [False, True])
def test_never_more_than_the_limit_at_once(throttled: bool) -> None:
    settings = {"AUTOTHROTTLE_START_DELAY": 0, "AUTOTHROTTLE_TARGET_CONCURRENCY": 50}
    most = crawl(
        _most_at_once,
        CONCURRENT_REQUESTS_PER_DOMAIN=4,
        AUTOTHROTTLE_ENABLED=throttled,
        **settings,
    )
    assert most <= 4
    assert throttled or most == 4


def test_scrapy_itself_still_goes_beyond_the_limit() -> None:
    """When this fails, upstream has mended it, and Downloader._give_turns can go."""
    stock: dict[str, Any] = {
        "DOWNLOADER": "scrapy.core.downloader.Downloader",
        "DOWNLOADER_MIDDLEWARES": {},
    }
    assert crawl(_most_at_once, CONCURRENT_REQUESTS_PER_DOMAIN=4, **stock) > 4


def test_a_redirect_to_another_host_is_under_its_limit() -> None:
    async def main(crawler: Crawler) -> int:
        target = after(0.05, http(b"abc"))
        async with Server({"*": target}, host="127.0.0.2") as second:
            redirect = http(b"", 302, f"Location: {second.url('/there')}")
            async with Server({"*": redirect}) as first:
                assert await outcomes(crawler, urls(first, 20)) == ["200"] * 20
            return second.most_active

    most = crawl(
        main,
        DOWNLOAD_SLOTS={"127.0.0.2": {"concurrency": 2, "delay": 0}},
        ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8",
    )
    assert most <= 2


@pytest.mark.parametrize("victims", [[0], [1], [0, 1], [1, 2]])
def test_who_is_cancelled_holds_up_nobody(victims: list[int]) -> None:
    async def main(crawler: Crawler) -> list[str]:
        async with Server({"*": after(0.05, http(b"abc"))}) as server:
            tasks = [asyncio.create_task(outcome(crawler, url)) for url in urls(server, 5)]
            await asyncio.sleep(0.02)
            for n in victims:
                tasks[n].cancel()
            ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
            return [str(each) for each in ended]

    found = crawl(main, CONCURRENT_REQUESTS_PER_DOMAIN=1)
    assert found == ["" if n in victims else "200" for n in range(5)]


# Throttling


def test_the_throttle_aims_by_host() -> None:
    async def main(crawler: Crawler) -> list[float]:
        delays = []
        for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            async with Server({"*": after(0.1, http(b"abc"))}, host=host) as server:
                for _ in range(2):
                    await fetch(crawler, server.url())
                delays.append(Downloader.of(crawler).slots[host].delay)
        return delays

    slots = {"127.0.0.2": {"concurrency": 10, "delay": 0}, "127.0.0.3": {"delay": 0.3}}
    stranger, store, delayed = crawl(
        main,
        AUTOTHROTTLE_ENABLED=True,
        AUTOTHROTTLE_START_DELAY=0,
        AUTOTHROTTLE_TARGET_CONCURRENCY=2,
        DOWNLOAD_SLOTS=slots,
        ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8",
    )
    assert stranger >= 0.05  # a latency of 0.1 s and more, for two at once
    assert store < stranger / 3
    assert delayed >= 0.3


# Pauses


def test_retry_after_is_waited_for_by_the_whole_host() -> None:
    async def main(crawler: Crawler) -> list[Asked]:
        limited = [http(b"", 429, "Retry-After: 1")]

        async def answer(asked: Asked, connection: Connection) -> bytes:
            await asyncio.sleep(0.01)
            if asked.path == "/3" and limited:
                return limited.pop()
            return http(b"abc")

        async with Server({"*": answer}) as server:
            assert await outcomes(crawler, urls(server, 30)) == ["200"] * 30
            return server.asked

    asked = crawl(main, CONCURRENT_REQUESTS_PER_DOMAIN=2)
    limited = next(one.at for one in asked if one.path == "/3")
    # What was under way may end, and another may have begun as the answer was on its way.
    assert len([one for one in asked if limited < one.at < limited + 0.95]) <= 3
    assert len([one for one in asked if one.at >= limited + 0.95]) >= 20


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("9" * 400, 999_999_999),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 90),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("Wed, 99 Oct 2015", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    headers = {"Retry-After": value, "Date": "Wed, 21 Oct 2015 07:26:30 GMT"}
    assert retry_after(Headers(headers)) == seconds


# Tries


def test_what_may_pass_is_tried_again() -> None:
    fails: dict[str, list[Answer]] = {
        "/503": [http(b"", 503), http(b"", 503)],
        "/cut": [http(b"abc", length=5)],
        "/lost": [b""] * 4,  # aiohttp itself asks a second time where a connection has gone
    }

    async def answer(asked: Asked, connection: Connection) -> bytes:
        left = fails.get(asked.path)
        one = left.pop() if left else http(b"abc")
        assert isinstance(one, bytes)
        return one

    async def main(crawler: Crawler) -> dict[str, int]:
        async with Server({"*": answer}) as server:
            responses = [await fetch(crawler, server.url(path)) for path in fails]
            return {r.url[-4:]: r.meta["retry_times"] for r in responses}

    assert list(crawl(main, RETRY_TIMES=2).values()) == [2, 1, 2]


@pytest.mark.parametrize("status", [408, 425, 500, 520, 527, 530, 598])
def test_a_status_that_may_pass_is_tried_again(status: int) -> None:
    answers = [http(b"abc"), http(b"", status)]

    async def answer(asked: Asked, connection: Connection) -> bytes:
        return answers.pop()

    async def main(crawler: Crawler) -> int:
        async with Server({"*": answer}) as server:
            return (await fetch(crawler, server.url("/"))).status

    assert crawl(main) == 200


def test_when_the_tries_are_used_up_the_last_answer_counts() -> None:
    async def main(crawler: Crawler) -> None:
        async with Server({"/503": http(b"why", 503), "/cut": http(b"", length=5)}) as server:
            response = await fetch(crawler, server.url("/503"))
            assert (response.status, response.body) == (503, b"why")
            assert (response.meta["retry_times"], server.count("/503")) == (2, 3)
            with pytest.raises(RecordMissing) as failed:
                await fetch(crawler, server.url("/cut"))
            assert (failed.value.outcome, failed.value.tries) == (Outcome.TRUNCATED, 3)
            await fetch(crawler, server.url("/503?a"), dont_retry=True)
            await fetch(crawler, server.url("/503?b"), max_retry_times=1)
            assert server.count("/503") == 3 + 1 + 2

    crawl(main, RETRY_TIMES=2)


def test_a_host_that_asks_for_too_long_a_pause_has_answered() -> None:
    async def main(crawler: Crawler) -> tuple[list[str], int]:
        async with Server({"*": http(b"", 429, "Retry-After: 3600")}) as server:
            ends = [await outcome(crawler, server.url()) for _ in range(20)]
            return ends, server.count("/")

    ends, asked = crawl(main, HOST_COOLDOWN=0.02)
    assert ends[0] == "429"
    assert ends[-1] == "host_down"
    assert asked < 12


# Dead hosts


async def _resets(asked: Asked, connection: Connection) -> None:
    connection.reset()


def test_a_dead_host_costs_a_handful_of_connections() -> None:
    async def main(crawler: Crawler) -> tuple[list[str], int, str]:
        async with Server({"*": _resets}) as server:
            ends = await outcomes(crawler, urls(server, 500))
            with pytest.raises(RecordMissing) as failed:
                await fetch(crawler, server.url("/later"))
            return ends, server.connections, failed.value.message

    ends, connections, message = crawl(main, HOST_COOLDOWN=0.05, CONCURRENT_REQUESTS_PER_DOMAIN=4)
    assert set(ends) <= {"host_down", "connection_lost"}
    assert connections <= 30  # two each: aiohttp asks a second time where a connection has gone
    assert "127.0.0.1 did not answer" in message
    assert "times in a row (last: the connection to 127.0.0.1 broke" in message
    assert "given up until " in message


def test_a_blip_burns_nothing() -> None:
    """A host that is away for a moment, shorter than the tries last, loses no record."""

    async def main(crawler: Crawler) -> list[str]:
        back = monotonic() + 0.6

        async def answer(asked: Asked, connection: Connection) -> bytes | None:
            if monotonic() > back:
                return http(b"abc")
            connection.reset()
            return None

        async with Server({"*": answer}) as server:
            return await outcomes(crawler, urls(server, 200))

    ends = crawl(main, HOST_COOLDOWN=0.2, HOST_PROBES=4, RETRY_TIMES=8)
    assert set(ends) == {"200"}


def test_a_host_is_asked_again_when_its_time_is_over() -> None:
    async def main(crawler: Crawler) -> list[str]:
        async with Server({"*": _resets}) as server:
            ends = [*set(await outcomes(crawler, urls(server, 50), dont_retry=True))]
            assert "host_down" in ends
            server.answers["*"] = http(b"abc")
            await asyncio.sleep(0.5)
            ends = await outcomes(crawler, urls(server, 50))
            assert len(Downloader.of(crawler).hosts) == 0
            return ends

    settings = {"HOST_COOLDOWN": 0.02, "HOST_PROBES": 2, "HOST_DOWN_TIME": 0.4}
    assert set(crawl(main, **settings)) == {"200"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_health_of_a_host() -> None:
    clock = Clock()
    hosts = HostHealthRegistry(
        BreakerPolicy(failures=3, cooldown=10, probes=2, down_time=600), clock
    )
    lost = RecordMissing(Outcome.TIMEOUT, "silent")

    def admits(key: str = "a") -> Admission:
        host = hosts.get(key)
        return Admission.ALL if host is None else host.admits(clock.now)

    def probe_fails() -> None:
        host = hosts.get("a")
        assert host is not None
        assert admits() is Admission.PROBE
        host.probing = True
        assert admits() is Admission.NONE
        hosts.failed("a", lost)
        hosts.probe_ended("a")

    for _ in range(2):
        hosts.failed("a", lost)
    hosts.answered("a")  # in a row, it is said
    for _ in range(3):
        assert admits() is Admission.ALL
        hosts.failed("a", lost)
    assert admits() is Admission.NONE
    clock.now += 9
    hosts.failed("a", lost)  # sent before; takes nothing from the probes
    clock.now += 1
    probe_fails()
    clock.now += 19
    assert admits() is Admission.NONE
    clock.now += 1
    assert hosts.given_up("a") is None
    probe_fails()
    error = hosts.given_up("a")
    assert error is not None
    assert error.outcome is Outcome.HOST_DOWN
    assert admits("b") is Admission.ALL
    clock.now += 600
    probe_fails()
    assert admits() is Admission.NEVER
    clock.now += 600
    assert admits() is Admission.PROBE
    hosts.answered("a")
    assert len(hosts) == 0


def test_pauses_and_memory_of_hosts() -> None:
    clock = Clock()
    hosts = HostHealthRegistry(BreakerPolicy(), clock)
    hosts.pause("a", 50)
    hosts.pause("a", 5)
    hosts.answered("a")
    paused = hosts.get("a")
    assert paused is not None
    assert paused.wait(clock.now) == 50
    hosts.failed("b", RecordMissing(Outcome.DNS, "no"))
    clock.now += 1000
    hosts.forget_idle()
    assert len(hosts) == 0


def test_a_name_that_does_not_exist_is_given_up_sooner() -> None:
    clock = Clock()
    hosts = HostHealthRegistry(BreakerPolicy(failures=2, probes=3), clock)
    for _ in range(2):
        hosts.failed("a", UnknownHost(Outcome.DNS, "no such host"))
    host = hosts.get("a")
    assert host is not None
    clock.now += 60
    host.probing = True
    hosts.failed("a", UnknownHost(Outcome.DNS, "no such host"))
    assert hosts.given_up("a") is not None


# Stops


def test_a_stop_ends_what_has_not_begun_and_lets_the_rest_end() -> None:
    async def main(crawler: Crawler) -> tuple[list[str], str, float]:
        answers = {"*": after(0.3, http(b"abc")), "/again": http(b"", 503)}
        async with Server(answers) as server:
            asked = asyncio.gather(
                outcomes(crawler, urls(server, 20)), outcome(crawler, server.url("/again"))
            )
            await asyncio.sleep(0.15)
            start = monotonic()
            downloader = Downloader.of(crawler)
            downloader.interrupt()
            ends, again = await asked
            assert await outcome(crawler, server.url("/later")) == "interrupted"
            return ends, again, monotonic() - start

    ends, again, seconds = crawl(main, CONCURRENT_REQUESTS_PER_DOMAIN=4, RETRY_BACKOFF_BASE=1000)
    assert set(ends) == {"200", "interrupted"}
    assert ends.count("200") <= 4
    assert again == "interrupted"
    assert seconds < 10


def test_a_network_that_cannot_be_meant_ends_the_run_in_words() -> None:
    async def main(crawler: Crawler) -> None:
        await fetch(crawler, "http://127.0.0.1/")

    with pytest.raises(ArgumentError, match="'here' is no network"):
        crawl(main, ALLOWED_PRIVATE_NETWORKS="here")


def test_gaps_are_kept_where_a_slot_has_a_delay() -> None:
    async def main(crawler: Crawler) -> list[float]:
        async with Server({"*": http(b"abc")}) as server:
            await outcomes(crawler, urls(server, 4))
            return [one.at for one in server.asked]

    times = crawl(main, DOWNLOAD_DELAY=0.1, DOWNLOAD_DELAY_JITTER=0)
    assert min(b - a for a, b in pairwise(times)) > 0.08


def test_a_given_slot_is_kept() -> None:
    async def main(crawler: Crawler) -> str:
        key: str = Downloader.of(crawler).get_slot_key(
            Request("http://a/", meta={"download_slot": "mine"})
        )
        return key

    assert crawl(main) == "mine"
