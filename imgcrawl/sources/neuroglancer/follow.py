"""Short links and states that are kept elsewhere, followed to what neuroglancer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

from imgcrawl.download.schemes import require_http
from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.sources.neuroglancer.link import (
    MAX_LINK,
    RemoteState,
    ViewerState,
    read_link,
    read_state,
)
from imgcrawl.text.redact import printable
from imgcrawl.volumes.metadata.address import parse_address

if TYPE_CHECKING:
    from imgcrawl.sources.fetcher import Fetcher

MAX_STEPS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def follow(fetcher: Fetcher, kept: RemoteState) -> ViewerState | None:
    """Return the state that a link leads to, or None if it leads to something else.

    Each step is a request of its own, so that the address guard sees it, and so that what stands
    behind the # of a redirect is not lost: an answer's own address lacks it.
    Raises SourceError: no answer, too many steps, a step that is no address.
    """
    url = _as_http(fetcher, kept.url)
    for _ in range(MAX_STEPS + 1):
        response = await fetcher.fetch(url, dont_redirect=True, download_maxsize=MAX_LINK)
        if response.status not in _REDIRECTS:
            return _state(response.body) if response.status == 200 else None
        location = (response.headers.get("Location") or b"").decode("utf-8", "replace")
        there = _next(url, location)
        if isinstance(there, ViewerState):
            return there
        url = _as_http(fetcher, there.url)
    raise SourceError(f"{kept.url} redirects more than {MAX_STEPS} times.")


def _next(url: str, location: str) -> ViewerState | RemoteState:
    """Return the state, or the address of one, that a redirect leads to."""
    try:
        target = urljoin(url, location)
        # The state is no part of what is asked for, and may be far longer.
        require_http(target.partition("#")[0])
        return read_link(target)
    except RecordMissing as error:
        raise SourceError(f"{url} redirects to {error.message}.") from error
    except ValueError as error:
        words = f"{url} redirects to {printable(location)}"
        raise SourceError(f"{words}, which cannot be read: {error}.") from error


def _as_http(fetcher: Fetcher, url: str) -> str:
    if url.startswith(("http://", "https://")):
        return url
    folder, _, name = url.rpartition("/")
    s3_url, gcs_url = fetcher.settings["S3_URL"], fetcher.settings["GCS_URL"]
    try:
        return parse_address(folder, s3_url=s3_url, gcs_url=gcs_url, local=False).url + name
    except ValueError as error:
        raise SourceError(f"{printable(url)}: {error}.") from error


def _state(body: bytes) -> ViewerState | None:
    try:
        return read_state(body.decode("utf-8"))
    except ValueError:
        return None
