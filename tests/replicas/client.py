"""A plain client of a replica: no redirects are followed, no error is raised."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from http.client import HTTPResponse


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def ask(url: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body."""
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        answer: HTTPResponse = opener.open(urllib.request.Request(url, method=method))
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()
    return answer.status, dict(answer.headers), answer.read()
