"""Hosts that bear a certain number of requests a second, and ones that ask to be left alone."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest

from imgcrawl.download.pace import Pace
from tests.download.harness import crawl, outcomes
from tests.download.server import Asked, Connection, Server, http

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


@pytest.mark.parametrize("bearable", [0.5, 2, 5, 20])
def test_a_pace_settles_near_what_the_host_bears(bearable: float) -> None:
    pace, now, asked = Pace(0.1, 60), 0.0, 0
    tokens, refused = 1.0, 0
    while now < 400:
        asked += 1
        if tokens >= 1:
            tokens -= 1
            pace.answered(now)
        else:
            refused += 1
            pace.refused(now, now)
        step = max(pace.delay, 0.01)
        now += step
        tokens = min(max(1.0, bearable), tokens + step * bearable)
    assert asked - refused > 0.6 * bearable * 400
    assert refused < 0.25 * asked


def test_a_pace_of_a_burst_is_slowed_down_once_and_forgotten_at_last() -> None:
    pace = Pace(0.1, 60)
    for sent in (0.0, 0.0, 0.0, 0.5):
        pace.refused(sent, 1.0)
    assert pace.delay == 0.1
    pace.answered(0.5)
    assert pace.delay == 0.1
    for number in range(100):
        pace.refused(2.0 + number, 2.0 + number)
    assert pace.delay == 60
    for _ in range(1000):
        pace.answered(1000.0)
    assert pace.delay == 0


def test_a_host_that_bears_few_requests_a_second_gives_all() -> None:
    answered: list[float] = []

    async def answer(asked: Asked, connection: Connection) -> bytes:
        now = monotonic()
        if len([at for at in answered if at > now - 1]) >= 8:
            return http(b"", 429)
        answered.append(now)
        return http(b"abc")

    async def main(crawler: Crawler) -> tuple[list[str], int]:
        async with Server({"*": answer}) as server:
            ends = await outcomes(crawler, [server.url(f"/{number}") for number in range(60)])
            return ends, len(server.asked)

    ends, asked = crawl(main, RETRY_BACKOFF_BASE=1.0, CONCURRENT_REQUESTS_PER_DOMAIN=4)
    assert ends == ["200"] * 60
    assert asked < 90


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_asks_to_be_left_alone_for_a_day_is(status: int) -> None:
    async def main(crawler: Crawler) -> tuple[list[str], int]:
        async with Server({"*": http(b"", status, "Retry-After: 86400")}) as server:
            ends = await outcomes(crawler, [server.url(f"/{number}") for number in range(100)])
            return ends, len(server.asked)

    ends, asked = crawl(main, CONCURRENT_REQUESTS_PER_DOMAIN=2)
    assert set(ends) == {str(status), "host_down"}
    assert asked <= 6


def test_a_pace_is_hopeless_after_two_minutes_of_refusals_alone() -> None:
    pace = Pace(first=0.1, longest=60)
    for now in range(0, 119, 7):
        pace.refused(now, now)
        assert not pace.is_hopeless(now)
    pace.answered(sent=50.0)  # one answer, and the host is waited for again
    pace.refused(119.0, 119.0)
    assert not pace.is_hopeless(130.0)
    pace.refused(239.0, 239.0)
    assert pace.is_hopeless(239.0)


def test_a_host_that_refuses_everything_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcrawl.download.pace.PATIENCE", 1.0)

    async def main(crawler: Crawler) -> tuple[list[str], int]:
        async with Server({"*": http(b"", 429)}) as server:
            ends = await outcomes(crawler, [server.url(f"/{number}") for number in range(100)])
            return ends, len(server.asked)

    ends, asked = crawl(main, RETRY_BACKOFF_BASE=0.1, CONCURRENT_REQUESTS_PER_DOMAIN=4)
    assert set(ends) <= {"429", "host_down"}
    assert ends.count("host_down") > 80
    assert asked < 50
