"""Which column has the addresses of the pictures: its name and its values decide together.

Beside a picture's address stand those of its page, its licence, its author and its thumbnail. A
name such as ``url`` says nothing of which it is: iNaturalist's and MoMA's is the page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imgcrawl.lists.addresses import as_address, looks_like_picture, looks_like_url, split_addresses
from imgcrawl.lists.names import NAMES, normalized, words_of
from imgcrawl.lists.nested import value_at
from imgcrawl.text.bucket_urls import is_in_bucket

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_OF_PICTURES = frozenset(
    (
        *("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures"),
        *("pic", "media", "download", "original", "orig", "file", "src", "asset", "access"),
        *("full", "source", "content", "body", "display"),
    )
)
_OF_OTHERS = frozenset(
    (
        *("page", "pages", "landing", "permalink", "license", "licence", "rights"),
        *("author", "profile", "user", "creator", "owner", "wiki", "wikidata", "wikipedia"),
        *("home", "host", "homepage", "site", "website", "html", "reference", "references"),
        *("further", "details", "detail", "product", "listing", "article", "avatar"),
        *("logo", "icon", "audio", "sound", "video", "metadata", "manifest", "json", "api"),
        *("self", "artist", "credit", "attribution", "provider", "publisher"),
        *("description", "wikimedia", "annotation", "resource", "photographer", "context"),
        *("schema", "uploader", "terms", "mask", "flag"),
    )
)
_SMALL = frozenset(
    (
        *("thumb", "thumbs", "thumbnail", "thumbnails", "small", "medium", "middle", "preview"),
        *("tiny", "square", "lqip", "header", "banner", "cover"),
    )
)
_PICTURE_HOST = re.compile(
    r"(img|image|images|cdn|static|media|photo|photos|pic|pics|upload|uploads|live|farm|i)\d*[.-]"
)
# Flickr's letters of sizes, the largest first: https://www.flickr.com/services/api/misc.urls.html
_SIZES = "o6k5f4k3khblczmnwtsq"


@dataclass(frozen=True, slots=True)
class UrlColumn:
    """A column that may have the addresses. score: above 0 it is likely, below it is another's."""

    path: str
    score: float
    pictures: float  # share of the addresses that name a picture's file

    def is_unsure(self) -> bool:
        """Return True if neither its name nor its values speak for pictures."""
        return self.score < 0


def rank_url_columns(paths: Iterable[str], rows: Sequence[dict[str, Any]]) -> list[UrlColumn]:
    """Return the columns that hold addresses in some rows, likeliest first."""
    found = []
    for at, path in enumerate(paths):
        values = [text for row in rows for text in _texts(value_at(row, path))]
        urls = [as_address(text) for text in values if looks_like_url(text)]
        if urls and 2 * len(urls) >= min(len(values), len(rows)):
            pictures = sum(map(looks_like_picture, urls)) / len(urls)
            score = _score(path, urls, pictures)
            found.append((-score, _known_rank(path), at, UrlColumn(path, score, pictures)))
    return [each for *_, each in sorted(found, key=lambda entry: entry[:3])]


def _texts(value: Any) -> list[str]:
    """Return the texts of a cell, each of several addresses in it by itself."""
    values = value if isinstance(value, list) else [value]
    texts = [each for each in values if isinstance(each, str) and each.strip()]
    return [part for text in texts[:20] for part in split_addresses(text)]


def _score(path: str, urls: list[str], pictures: float) -> float:
    words = [word for part in path.split(".")[-2:] for word in words_of(part)]
    score = 3 * pictures
    score += min(sum(word in _OF_PICTURES for word in words), 2)
    score -= 2.5 * any(word in _OF_OTHERS for word in words)
    score -= 0.5 * any(word in _SMALL for word in words)
    score += 0.5 * sum(map(_is_picture_host, urls)) / len(urls)
    score -= 0.5 * is_in_bucket(urls[0])  # the same file may be on the web for everybody
    if len(urls) >= 3 and 2 * len(set(urls)) <= len(urls):
        score -= 1.5  # a licence, an author, a logo: one for many rows
    return score


def _is_picture_host(url: str) -> bool:
    try:
        return _PICTURE_HOST.match(urlsplit(url).netloc.lower()) is not None
    except ValueError:
        return False


def _known_rank(path: str) -> float:
    """Return how likely a name alone is, the least the likeliest."""
    name = path.rpartition(".")[2].removesuffix("[]")
    size = re.fullmatch(r"url_([a-z0-9]{1,2})", name)
    if size and (at := _SIZES.find(size[1])) >= 0:
        return at / len(_SIZES)
    bare = normalized(name)
    return NAMES["url"].index(bare) if bare in NAMES["url"] else len(NAMES["url"])
