"""No source makes us connect to a machine that it could not reach by itself."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request

from imgcrawl.download.address_guard import AddressGuard
from imgcrawl.download.resolver import Resolver
from imgcrawl.download.schemes import require_http
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.download.harness import crawl, outcome
from tests.download.server import Server, http

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult
    from scrapy.crawler import Crawler

PUBLIC = ["8.8.8.8", "52.216.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
PUBLIC += ["2002:808:808::1", "2001:200::1"]
PRIVATE = ["127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"]
PRIVATE += ["100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1"]
PRIVATE += ["192.0.0.8", "192.88.99.1", "198.18.0.1", "203.0.113.1"]
PRIVATE += ["::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "100::1"]
PRIVATE += ["2001:db8::1", "3fff::1", "5f00::1", "2001:2::1", "4000::1"]
PRIVATE += ["::ffff:10.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2002:a00:1::1"]
PRIVATE += ["64:ff9b::7f00:1", "64:ff9b:1::808:808", "2001:0:7f00:1::", "2001::f7f7:f7f7:80ff:fffe"]


def blocks(guard: AddressGuard, address: str) -> bool:
    try:
        guard.check(address)
    except RecordMissing as error:
        return error.outcome is Outcome.BLOCKED_ADDRESS
    return False


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert not blocks(AddressGuard(), address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private(address: str) -> None:
    assert blocks(AddressGuard(), address)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with pytest.raises(OSError, match="not a public address"):
        AddressGuard().socket_factory((family, socket.SOCK_STREAM, 6, "", (address, 80)))


def test_allowed() -> None:
    for setting in ("127.0.0.1/32, 10.1.0.0/16,", ["127.0.0.1/32", "10.1.0.0/16"]):
        guard = AddressGuard.from_setting(setting)
        for address in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3"):
            assert not blocks(guard, address)
        for address in ("127.0.0.2", "10.2.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"):
            assert blocks(guard, address)
    assert not blocks(AddressGuard.from_setting("::1/128"), "::1")
    assert blocks(AddressGuard.from_setting(None), "127.0.0.1")
    with pytest.raises(ValueError, match="'localhost' is no network"):
        AddressGuard.from_setting("10.0.0.0/8,localhost")


# 127.0.0.1 is allowed; 127.0.0.2 is not, and nobody must knock there.
SPELLINGS = [
    "127.0.0.2",
    "127.2",
    "2130706434",
    "0177.0.0.2",
    "0x7f.2",
    "0x7f000002",
    "0x7F00000002",
    "[::ffff:127.0.0.2]",
    "[::ffff:7f00:2]",
    "[::127.0.0.2]",
    "[::1]",
    "[64:ff9b::7f00:2]",
    "\uff11\uff12\uff17.0.0.2",  # digits of full width
    "127\u30020\u30020\u30022",  # ideographic full stops
]


def test_no_spelling_gets_past() -> None:
    async def main(crawler: Crawler) -> tuple[dict[str, str], int]:
        ends: dict[str, str] = {}
        async with Server({"*": http(b"secret")}, host="127.0.0.2") as private, Server() as public:
            for spelling in SPELLINGS:
                target = f"http://{spelling}:{private.port}/"
                ends[target] = await outcome(crawler, target)
                redirect = http(b"", 302, f"Location: {target.encode().decode('latin-1')}")
                public.answers["/redirect"] = redirect
                ends[f"redirect {target}"] = await outcome(crawler, public.url("/redirect"))
            return ends, private.connections

    ends, connections = crawl(main, RETRY_TIMES=0)
    assert connections == 0
    assert set(ends.values()) <= {"blocked_address", "dns", "bad_url"}
    assert sum(end == "blocked_address" for end in ends.values()) >= 20


def test_names_are_judged_by_what_they_lead_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by what they lead to the second time: rebinding gains nothing."""
    answers = {
        "private.example": [["127.0.0.2"]],
        "both.example": [["127.0.0.2", "127.0.0.3"]],
        "one.of.them.example": [["127.0.0.2", "127.0.0.1"]],
        "rebinding.example": [["127.0.0.1"], ["127.0.0.2"]],
    }

    async def resolve(
        self: Resolver, host: str, port: int = 0, family: Any = None
    ) -> list[ResolveResult]:
        hosts = answers[host].pop(0)
        return [
            {
                "hostname": host,
                "host": one,
                "port": port,
                "family": socket.AF_INET,
                "proto": 6,
                "flags": 0,
            }
            for one in hosts
        ]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    monkeypatch.setattr("imgcrawl.download.handler.DNS_CACHE", 0)

    async def main(crawler: Crawler) -> tuple[list[str], int]:
        answer = http(b"abc", 200, "Connection: close")
        async with Server({"*": answer}) as public:
            private = Server({"*": answer}, host="127.0.0.2", port=public.port)
            async with private:
                hosts = [*answers, "rebinding.example"]
                ends = [await outcome(crawler, public.url("/", host)) for host in hosts]
            return ends, private.connections

    ends, connections = crawl(main, RETRY_TIMES=0)
    assert ends == ["blocked_address", "blocked_address", "200", "200", "blocked_address"]
    assert connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "data:,x",
        "ftp://a/b",
        "s3://a/b",
        "javascript:alert(1)",
        "//a/b",
        "a/b",
        "",
        "http://",
        "http:///a",
        "http:a",
        "http://[::1",
        "http://a:b/",
        "http://a:99999/",
        "http://a b/",
        "http://a..b/",
        "http://\x00/",
        "http://" + "a" * 64 + ".org",
        "http://a/\udcff",
        "zip+file:///a.zip#b",
        "http://a/" + "x" * 9000,
    ],
)
def test_what_no_request_is_made_of(url: str) -> None:
    with pytest.raises(RecordMissing) as failed:
        require_http(url)
    assert failed.value.outcome is Outcome.BAD_URL
    assert failed.value.tries == 0


@pytest.mark.parametrize(
    "url", ["http://a/b", "HTTPS://A", "http://[::1]:80/", "http://ü.org./", "zip+http://a/b#c"]
)
def test_what_a_request_is_made_of(url: str) -> None:
    require_http(url)


@given(st.text(max_size=30).map("http://".__add__) | st.text(max_size=30))
def test_a_request_can_be_made_of_what_passes(url: str) -> None:
    try:
        require_http(url)
    except RecordMissing:
        return
    Request(url)
