"""robots.txt, Crawl-delay, X-Robots-Tag, and what is left behind on the way to another host."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from imgcrawl.download.downloader import Downloader
from imgcrawl.download.x_robots_tag import directives
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.download.harness import crawl, fetch, outcome, outcomes
from tests.download.server import Answer, Asked, Connection, Server, after, http

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

POLICY = b"User-agent: imgcrawl\nDisallow: /private\nCrawl-delay: %s\n"


def site(robots: Answer) -> dict[str, Answer]:
    return {"/robots.txt": robots, "*": http(b"abc")}


# robots.txt


def test_what_robots_txt_does_not_allow_is_not_fetched() -> None:
    async def main(crawler: Crawler) -> None:
        async with Server(site(after(0.05, http(POLICY % b"0")))) as server:
            paths = ["/a", "/private/b?X-Signature=secret", "/c", "/private"]
            ends = await outcomes(crawler, [server.url(path) for path in paths])
            assert ends == ["200", "robots", "200", "robots"]
            assert server.count("/robots.txt") == 1
            with pytest.raises(RecordMissing) as failed:
                await fetch(crawler, server.url(paths[1]))
            assert failed.value.message == "robots.txt of 127.0.0.1 does not allow /private/b"
            assert failed.value.tries == 0
            assert not [one for one in server.asked if one.path.startswith("/private")]
            ends = [await outcome(crawler, server.url("/private"), dont_obey_robotstxt=True)]
            assert ends == ["200"]

    crawl(main, ROBOTSTXT_OBEY=True)


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (http(b"", 404), "200"),
        (http(b"", 403), "200"),
        (http(b"<html>not found</html>"), "200"),
        (http(b"\xff\xfe\x00" * 1000), "200"),
        (http(b"", 302, "Location: /robots.txt"), "200"),
        (http(b"", 302, "Location: file:///etc/passwd"), "200"),
        (http(b"", 503), "503"),
        (http(b"", 429), "429"),
        (http(b"short", length=100), "truncated"),
        (b"", "connection_lost"),
    ],
)
def test_a_robots_txt_that_is_not_there(answer: bytes, end: str) -> None:
    """RFC 9309, 2.3.1: 4xx allows all, what cannot be reached allows nothing."""

    async def main(crawler: Crawler) -> tuple[str, int, int]:
        async with Server(site(answer)) as server:
            result = await outcome(crawler, server.url("/a"))
            if not result.isdigit() or result != "200":
                with pytest.raises(RecordMissing) as failed:
                    await fetch(crawler, server.url("/a"))
                result = str(failed.value.status or failed.value.outcome)
            return result, server.count("/a"), server.count("/robots.txt")

    result, asked, robots = crawl(main, ROBOTSTXT_OBEY=True, RETRY_TIMES=0)
    assert result == end
    assert asked == (end == "200")
    assert robots <= 8


def test_a_robots_txt_that_comes_back_is_obeyed() -> None:
    """A blip must not turn obedience off for the rest of the run."""

    async def main(crawler: Crawler) -> list[str]:
        async with Server(site(b"")) as server:
            first = await outcome(crawler, server.url("/private"))
            server.answers["/robots.txt"] = http(POLICY % b"0")
            return [first, *await outcomes(crawler, [server.url("/private"), server.url("/a")])]

    ends = crawl(main, ROBOTSTXT_OBEY=True, RETRY_TIMES=0)
    assert ends == ["connection_lost", "robots", "200"]


def test_a_dead_host_is_found_out_by_its_robots_txt() -> None:
    async def reset(asked: Asked, connection: Connection) -> None:
        connection.reset()

    async def main(crawler: Crawler) -> tuple[list[str], int]:
        async with Server({"*": reset}) as server:
            urls = [server.url(f"/{number}") for number in range(500)]
            return await outcomes(crawler, urls), server.connections

    ends, connections = crawl(main, ROBOTSTXT_OBEY=True, HOST_COOLDOWN=0.05)
    assert set(ends) == {"host_down"}
    assert connections <= 30


@pytest.mark.parametrize("obeyed", [True, False])
def test_crawl_delay(obeyed: bool) -> None:
    async def main(crawler: Crawler) -> tuple[list[float], float]:
        async with Server(site(http(POLICY % b"0.3"))) as server:
            await outcomes(crawler, [server.url(f"/{number}") for number in range(5)])
            times = [one.at for one in server.asked if one.path != "/robots.txt"]
            delay: float = Downloader.of(crawler).slots["127.0.0.1"].delay
            return times, delay

    times, delay = crawl(
        main,
        ROBOTSTXT_OBEY=True,
        CRAWL_DELAY_OBEY=obeyed,
        AUTOTHROTTLE_ENABLED=True,
        AUTOTHROTTLE_START_DELAY=0,
    )
    gaps = [b - a for a, b in pairwise(times)]
    assert (min(gaps) > 0.25) == obeyed
    assert (delay >= 0.3) == obeyed


def test_a_crawl_delay_of_days_is_cut() -> None:
    async def main(crawler: Crawler) -> list[float]:
        delays = []
        for text in (b"99999999", b"1e999", b"nan", b"-5", b"x"):
            async with Server(site(http(POLICY % text)), host="127.0.0.1") as server:
                Downloader.of(crawler)._floors.clear()
                await outcome(crawler, server.url("/private"))
                delays.append(Downloader.of(crawler).floor("127.0.0.1"))
                await _idle(crawler)
        return delays

    delays = crawl(main, ROBOTSTXT_OBEY=True, CRAWL_DELAY_MAX=7)
    assert delays[0] == 7
    assert set(delays) <= {0, 7}


async def _idle(crawler: Crawler) -> None:
    """Forget the slot, with the delay that it has got."""
    Downloader.of(crawler).slots.clear()


# X-Robots-Tag


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        (["noai"], True),
        (["NoImageAI"], True),
        (["noindex, noai"], True),
        (["noindex", "noai"], True),
        (["imgcrawl: noai"], True),
        (["otherbot: noindex, imgcrawl: noai"], True),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST, noai"], True),
        (["noai, unavailable_after: 25 Jun 2010 15:00:00 PST"], True),
        (["otherbot: noai"], False),
        (["otherbot: noindex, noai"], False),
        (["noindex, otherbot: noai"], False),
        (["imgcrawl: noindex, otherbot: noimageai"], False),
        (["noindex, nofollow"], False),
        ([""], False),
    ],
)
def test_x_robots_tag(headers: list[str], refused: bool) -> None:
    assert bool(directives(headers, "ImgCrawl") & {"noai", "noimageai"}) == refused

    async def main(crawler: Crawler) -> list[str]:
        lines = [f"X-Robots-Tag: {value}" for value in headers]
        async with Server({"*": http(b"abc", 200, *lines)}) as server:
            return [
                await outcome(crawler, server.url(), media=True),
                await outcome(crawler, server.url()),
            ]

    assert crawl(main) == ["opted_out" if refused else "200", "200"]
    assert crawl(main, X_ROBOTS_TAG_OBEY=False) == ["200", "200"]


# Redirects


def to(location: str, *headers: str, status: int = 302) -> bytes:
    return http(b"", status, f"Location: {location}", *headers)


@pytest.mark.parametrize(
    ("answers", "end"),
    [
        ({"/": to("/a"), "/a": to("b"), "/b": http(b"abc")}, "200"),
        ({"/": to("/a", status=308), "/a": http(b"abc")}, "200"),
        (
            {"/": to("/1"), **{f"/{n}": to(f"/{n + 1}") for n in range(1, 9)}, "/9": http(b"")},
            "200",
        ),
        ({"/": to("/")}, "redirects"),
        ({"/": to("/a"), "/a": to("/#x")}, "redirects"),
        ({"/": to("/1"), **{f"/{n}": to(f"/{n + 1}") for n in range(14)}}, "redirects"),
        ({"/": to("file:///etc/passwd")}, "bad_url"),
        ({"/": to("ftp://127.0.0.1/a")}, "bad_url"),
        ({"/": to("data:image/png;base64,AAAA")}, "bad_url"),
        ({"/": to("javascript:alert(1)")}, "bad_url"),
        ({"/": to("zip+http://127.0.0.1/a.zip#b")}, "bad_url"),
        ({"/": to("http://[::1")}, "bad_url"),
        ({"/": to("http://a:b/")}, "bad_url"),
        ({"/": to("http://10.0.0.1/")}, "blocked_address"),
        ({"/": to("/\xff\xfe"), "*": http(b"abc")}, "200"),
        ({"/": http(b"abc", 300)}, "300"),
        ({"/": http(b"", 304)}, "304"),
    ],
)
def test_redirects(answers: dict[str, Answer], end: str) -> None:
    async def main(crawler: Crawler) -> str:
        async with Server(answers) as server:
            return await outcome(crawler, server.url("/"), media=True)

    assert crawl(main, RETRY_TIMES=0) == end


def test_where_a_redirect_came_from_stays_known() -> None:
    async def main(crawler: Crawler) -> None:
        async with Server({"/": to("/a"), "/a": to("/b"), "/b": http(b"abc")}) as server:
            response = await fetch(crawler, server.url("/"))
            assert response.url == server.url("/b")
            assert response.meta["redirect_urls"] == [server.url("/"), server.url("/a")]
            server.answers["/b"] = to("/a")
            with pytest.raises(RecordMissing, match=r"circle: 127\.0\.0\.1$") as failed:
                await fetch(crawler, server.url("/"))
            assert failed.value.outcome is Outcome.REDIRECTS

    crawl(main)


def test_secrets_stay_with_their_host() -> None:
    secrets = {"Authorization": "x", "Cookie": "x", "X-Api-Key": "x"}

    async def main(crawler: Crawler) -> list[set[str]]:
        async with Server({"*": http(b"abc")}, host="127.0.0.2") as other, Server() as server:
            server.answers = {"/": to("/here"), "/here": to(other.url("/there"))}
            request = Request(server.url("/"), headers=secrets, callback=NO_CALLBACK)
            await crawler.engine.download_async(request)
            return [set(one.headers) & set(secrets) for one in (*server.asked, *other.asked)]

    here, still_here, there = crawl(main, ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8")
    assert here == still_here == set(secrets)
    assert there == set()


async def wants_a_cookie(asked: Asked, connection: Connection) -> bytes:
    if "seen=1" in asked.headers.get("Cookie", ""):
        return http(b"abc")
    return to(asked.path, "Set-Cookie: seen=1; Path=/; HttpOnly", "Set-Cookie: a b=\x01")


async def wants_two(asked: Asked, connection: Connection) -> bytes:
    sent = asked.headers.get("Cookie", "")
    if "first=x" in sent and "second=y" in sent:
        return http(b"abc")
    return to(asked.path, "Set-Cookie: second=y" if "first=x" in sent else "Set-Cookie: first=x")


async def sets_one_more_each_time(asked: Asked, connection: Connection) -> bytes:
    return to(asked.path, f"Set-Cookie: c{asked.at}=1")


@pytest.mark.parametrize(
    ("answer", "end", "requests"),
    [
        (wants_a_cookie, "200", 2),
        (wants_two, "200", 3),
        (to("/", "Set-Cookie: same=1"), "redirects", 2),
        (to("/", "Set-Cookie: no cookie"), "redirects", 1),
        (sets_one_more_each_time, "redirects", 11),
    ],
    ids=["one", "two", "always the same", "none", "ever more"],
)
def test_a_redirect_to_itself_gets_the_cookie_that_it_set(
    answer: Any, end: str, requests: int
) -> None:
    async def main(crawler: Crawler) -> tuple[str, int]:
        async with Server({"/": answer}) as server:
            return await outcome(crawler, server.url("/"), media=True), len(server.asked)

    assert crawl(main, RETRY_TIMES=0) == (end, requests)


def test_a_cookie_of_a_redirect_stays_with_its_origin_and_is_forgotten_with_the_chain() -> None:
    async def main(crawler: Crawler) -> list[str | None]:
        async with Server({"*": http(b"abc")}, host="127.0.0.2") as other, Server() as server:
            server.answers = {
                "/": to("/here", "Set-Cookie: a=1"),
                "/here": to(other.url("/there"), "Set-Cookie: b=2"),
                "/next": http(b"abc"),
            }
            for path in ("/", "/next"):
                await fetch(crawler, server.url(path))
            return [one.headers.get("Cookie") for one in (*server.asked, *other.asked)]

    sent = crawl(main, ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8")
    assert sent == [None, "a=1", None, None]


def test_robots_txt_of_the_second_host_is_asked() -> None:
    async def main(crawler: Crawler) -> str:
        policy: Any = site(http(POLICY % b"0"))
        async with Server(policy, host="127.0.0.2") as other, Server() as server:
            server.answers["/"] = to(other.url("/private"))
            return await outcome(crawler, server.url("/"))

    allowed = "127.0.0.0/8"
    assert crawl(main, ROBOTSTXT_OBEY=True, ALLOWED_PRIVATE_NETWORKS=allowed) == "robots"
