"""Which of several columns has the pictures? Three addresses of each are asked, and it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgcrawl.pictures.sniff import HEAD_BYTES, sniff
from imgcrawl.records.errors import NoAnswerError
from imgcrawl.text.bucket_urls import web_address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgcrawl.sources.fetcher import Fetcher

_MOST = 32 << 20  # bytes of a file whose host does not say of what kind it is


async def column_of_pictures(
    fetcher: Fetcher, columns: Mapping[str, Sequence[str]], likeliest: str
) -> str:
    """Return the column most of whose addresses are of pictures; `likeliest` if none is.

    columns: a few addresses of each column
    """
    pictures = {}
    for column, urls in columns.items():
        answers = [await _is_picture(fetcher, url) for url in urls]
        pictures[column] = sum(answers)
        fetcher.logger.info("%s: %s of %s are pictures", column, sum(answers), len(answers))
    best = max(pictures, key=lambda column: (pictures[column], column == likeliest))
    if pictures[best]:
        fetcher.logger.info("The addresses are taken from %r", best)
        return best
    fetcher.logger.warning(
        "No picture is at the first addresses of %s: is it another column? Name it with -a url=",
        ", ".join(map(repr, columns)),
    )
    return likeliest


async def _is_picture(fetcher: Fetcher, url: str) -> bool:
    meta: dict[str, Any] = {"media": True, "dont_cache": True}
    try:
        url = web_address(url, fetcher.settings)
        response = await fetcher.fetch(url, method="HEAD", **meta)
        kind = (response.headers.get("Content-Type") or b"").lower()
        if response.status == 200 and kind.startswith((b"image/", b"text/html")):
            return kind.startswith(b"image/")
        response = await fetcher.fetch(url, download_maxsize=_MOST, **meta)
    except (NoAnswerError, ValueError):
        return False
    return response.status == 200 and sniff(response.body[:HEAD_BYTES]).format is not None
