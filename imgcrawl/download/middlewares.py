"""The downloader middlewares of a crawl, called one after another for what pipelines ask for.

Scrapy's manager calls the same methods by the same rules. It binds arguments, looks a method up and
makes an awaitable of its answer anew each time, which for a picture takes as long as the methods
themselves.
"""

from __future__ import annotations

from inspect import iscoroutine
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from scrapy import Request
from scrapy.http import Response
from scrapy.utils.defer import ensure_awaitable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from scrapy.core.downloader.middleware import DownloaderMiddlewareManager


class _Method(NamedTuple):
    """A method of a middleware, and what it is called with besides."""

    call: Callable[..., Any]
    besides: dict[str, Any]

    async def answer(self, **arguments: Any) -> Response | Request | None:
        """Call it. Raises TypeError for an answer that is none of these."""
        answer = self.call(**arguments, **self.besides)
        if iscoroutine(answer):
            answer = await answer
        elif answer is not None and not isinstance(answer, (Response, Request)):
            answer = await ensure_awaitable(answer)
        if answer is not None and not isinstance(answer, (Response, Request)):
            kind = type(answer).__name__
            raise TypeError(f"{self.call.__qualname__} must not return {kind}")
        return answer


class Middlewares:
    """All middlewares of a manager, those that a user has added included."""

    def __init__(self, manager: DownloaderMiddlewareManager) -> None:
        def methods(name: str) -> Iterable[_Method]:
            for method in filter(None, manager.methods[name]):
                takes_spider = method in manager._mw_methods_requiring_spider
                besides = {"spider": manager._spider} if takes_spider else {}
                yield _Method(_without_warning(method), besides)

        self._on_request = [*methods("process_request")]
        self._on_response = [*methods("process_response")]
        self._on_exception = [*methods("process_exception")]

    async def download(
        self, request: Request, transfer: Callable[[Request], Awaitable[Response]]
    ) -> Response | Request:
        """Return the answer to a request, or what is to be asked in its place.

        transfer: asks the server, once all middlewares have let the request through
        """
        try:
            result = await self._ask(request, transfer)
        except Exception as error:
            result = await self._mend(request, error)
        for method in self._on_response:
            if isinstance(result, Request):
                break
            answer = await method.answer(request=request, response=result)
            if answer is None:
                raise TypeError(f"{method.call.__qualname__} must return a response or a request")
            result = answer
        return result

    async def _ask(
        self, request: Request, transfer: Callable[[Request], Awaitable[Response]]
    ) -> Response | Request:
        for method in self._on_request:
            if (answer := await method.answer(request=request)) is not None:
                return answer
        return await transfer(request)

    async def _mend(self, request: Request, error: Exception) -> Response | Request:
        for method in self._on_exception:
            answer = await method.answer(request=request, exception=error)
            if answer is not None:
                return answer
        raise error


def _without_warning(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of Scrapy's without its look, at each call, at whether a spider is given."""
    inner = getattr(method, "__wrapped__", None)
    if inner is None or not method.__module__.startswith("scrapy."):
        return method
    return MethodType(inner, getattr(method, "__self__"))  # noqa: B009
