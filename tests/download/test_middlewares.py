"""Middlewares, called one after another as Scrapy's manager calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from twisted.internet.defer import Deferred, succeed

from imgcrawl.download.downloader import Downloader
from tests.download.harness import crawl
from tests.download.server import Server, http

if TYPE_CHECKING:
    from scrapy import Spider
    from scrapy.crawler import Crawler


class Plain:
    def process_request(self, request: Request, spider: Spider) -> None:
        request.headers["X-Told"] = spider.name

    def process_response(self, request: Request, response: Response, spider: Spider) -> Any:
        return response.replace(body=response.body + b" plain")


class Waiting:
    async def process_request(self, request: Request) -> None:
        request.headers["X-Waited"] = "1"

    def process_response(self, request: Request, response: Response) -> Deferred[Response]:
        return succeed(response.replace(body=response.body + b" deferred"))


class Answering:
    """Answers by itself, asks for something else, fails, or mends."""

    def process_request(self, request: Request) -> Response | Request | None:
        if "by-itself" in request.url:
            return Response(request.url, body=b"none asked")
        if "elsewhere" in request.url:
            return request.replace(url=request.url.replace("elsewhere", "here"))
        if "refused" in request.url:
            raise IgnoreRequest("not this one")
        return None

    async def process_exception(self, request: Request, exception: Exception) -> Response | None:
        if "mended" in request.url:
            return Response(request.url, body=type(exception).__name__.encode())
        return None


class Wrong:
    def process_response(self, request: Request, response: Response) -> Any:
        return "no response" if "wrong" in request.url else response


USERS = {Plain: 10, Waiting: 20, Answering: 30, Wrong: 40}


@pytest.mark.parametrize("engine", [False, True])
def test_a_users_middlewares_work_as_scrapys_manager_has_them(engine: bool) -> None:
    async def main(crawler: Crawler) -> None:
        async def body(path: str) -> str:
            request = Request(server.url(path), callback=NO_CALLBACK)
            fetch = crawler.engine.download_async if engine else Downloader.of(crawler).download
            response = await fetch(request)
            return str(response.text if hasattr(response, "text") else response.body.decode())

        async with Server({"*": http(b"abc")}) as server:
            assert await body("/here") == "abc deferred plain"
            told = server.asked[-1].headers
            assert (told["X-Told"], told["X-Waited"]) == ("probe", "1")
            n_asked = len(server.asked)
            assert await body("/by-itself") == "none asked deferred plain"
            assert await body("/refused/mended") == "IgnoreRequest deferred plain"
            assert len(server.asked) == n_asked
            assert await body("/elsewhere") == "abc deferred plain"
            assert server.asked[-1].path == "/here"
            with pytest.raises(IgnoreRequest, match="not this one"):
                await body("/refused")
            with pytest.raises(Exception, match="process_response must"):
                await body("/wrong")

    crawl(main, DOWNLOADER_MIDDLEWARES=USERS)
