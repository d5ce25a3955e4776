"""The objects below an address, page by page: as a bucket lists them, or as a folder holds them.

A listing is not trusted. Its keys become names below OUT only where `key_problem` finds nothing
wrong with them, and it must go forward: one that turns in circles is refused.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from parsel import Selector

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.text.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from typing import TypeAlias

    from scrapy.http import Response

    from imgcrawl.records.volume import VolumeAddress
    from imgcrawl.volumes.metadata.other_names import OtherNames

    Ask: TypeAlias = Callable[[str], Awaitable[Response]]

PAGE = 1000  # objects; what S3 lists at once
MAX_KEY = 1024  # bytes; S3's own limit
MAX_NAME = 240  # bytes of one part; file systems take 255
EMPTY_PAGES = 20  # in a row, until a listing is taken to be broken
_MARK = b"<ListBucketResult"
_PATH_STYLE = re.compile(
    r"(s3[.-][\w.-]*amazonaws\.com|s3\.amazonaws\.com|storage\.googleapis\.com)"
)
_VIRTUAL_HOST = re.compile(r".+\.(s3[.-][\w.-]*amazonaws\.com|storage\.googleapis\.com)")


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object of a store.

    key:  relative to the address that was listed
    url:  where it is; a path where the address is a folder of this machine
    size: bytes, and etag: without quotes; None if it is not listed
    others: the other names that it may have, if it is not listed
    """

    key: str
    url: str
    size: int | None = None
    etag: str | None = None
    others: OtherNames | None = None


@dataclass(frozen=True, slots=True)
class ListingAddress:
    """Where a bucket may be asked for its list: its root, and the prefix of an address in it."""

    root: str
    prefix: str

    def page(self, below: str, token: str | None) -> str:
        """Return the URL of a page of ListObjectsV2."""
        url = f"{self.root}?list-type=2&prefix={quote(self.prefix + below, safe='')}"
        return f"{url}&continuation-token={quote(token, safe='')}" if token else url


class NoListingError(RecordMissing):
    """A server that does not list what it has."""


def listing_addresses(address: VolumeAddress) -> list[ListingAddress]:
    """Return where an address may be listed, the likeliest first; nothing for a local folder.

    An address shown as s3:// or gs:// names its bucket; of others the host may name it, and if it
    does not, the first part of the path is taken for the bucket.
    """
    parts = urlsplit(address.url)
    if parts.scheme not in {"http", "https"}:
        return []
    host = parts.hostname or ""
    path = unquote(parts.path).lstrip("/")
    base = f"{parts.scheme}://{parts.netloc}/"
    shown = urlsplit(address.shown)
    if shown.scheme in {"s3", "gs"}:
        prefix = unquote(address.shown.partition("://")[2]).partition("/")[2].strip("/")
        prefix = f"{prefix}/" if prefix else ""
        if path.endswith(prefix):
            root = path.removesuffix(prefix) if prefix else path
            return [ListingAddress(base + quote(root), prefix)]
    if _VIRTUAL_HOST.fullmatch(host) and not _PATH_STYLE.fullmatch(host):
        return [ListingAddress(base, path)]
    bucket, slash, prefix = path.partition("/")
    return [ListingAddress(f"{base}{quote(bucket)}/", prefix)] if bucket and slash else []


async def list_bucket(
    ask: Ask, place: ListingAddress, address: VolumeAddress, below: str = ""
) -> AsyncIterator[list[ListedObject]]:
    """Yield the objects of an address (of the folder `below` in it), a page at a time.

    Raises NoListingError if the server lists nothing, RecordMissing if a list breaks off.
    """
    token: str | None = None
    last, empty, first = b"", 0, True
    while True:
        response = await ask(place.page(below, token))
        if response.status != 200 or _MARK not in response.body[:2000]:
            raise _refusal(response, first=first)
        keys, token = await asyncio.to_thread(_read_page, response.body)
        ahead = max((key.encode("utf-8", "surrogatepass") for key, _, _ in keys), default=last)
        empty = 0 if keys else empty + 1
        if token and ((keys and not ahead > last) or empty > EMPTY_PAGES):
            raise RecordMissing(Outcome.TRUNCATED, "its list turns in circles and has no end", 200)
        last, first = max(ahead, last), False
        yield [
            ListedObject(relative, address.url + quote(relative, safe="/"), size, etag)
            for key, size, etag in keys
            if (relative := _relative(key, place.prefix))
        ]
        if token is None:
            return


def _relative(key: str, prefix: str) -> str:
    """Return a key relative to the address, or "" for one that only marks a folder."""
    if key.endswith("/"):
        return ""
    return key.removeprefix(prefix) if key.startswith(prefix) else f"../{key}"


def _read_page(body: bytes) -> tuple[list[tuple[str, int | None, str | None]], str | None]:
    """Return keys with size and ETag, and the token of the next page.

    Raises RecordMissing for half of a page.
    """
    if not body.rstrip().endswith(b"</ListBucketResult>"):
        raise RecordMissing(Outcome.TRUNCATED, "a page of its list is cut", 200)
    # The parser loads nothing from elsewhere and resolves no entities.
    root = Selector(body=body, type="xml").root
    found: list[tuple[str, int | None, str | None]] = []
    properties: dict[str, str] = {}
    for node in root:
        name = _name(node)
        if name == "Contents":
            fields = {_name(child): child.text or "" for child in node}
            number = parse_size(fields.get("Size", ""))
            etag = fields.get("ETag", "").strip().removeprefix("W/").strip('"')
            if key := fields.get("Key"):
                found.append((key, number, etag or None))
        else:
            properties[name] = node.text or ""
    more = properties.get("IsTruncated", "").strip() == "true"
    token = properties.get("NextContinuationToken") or None
    if more and token is None:
        raise RecordMissing(Outcome.TRUNCATED, "its list breaks off without saying where", 200)
    return found, token if more else None


def _name(node: object) -> str:
    return str(getattr(node, "tag", "")).rpartition("}")[2]


def _refusal(response: Response, *, first: bool) -> RecordMissing:
    status = response.status
    outcome = Outcome.NOT_FOUND if status == 200 else of_status(status)
    words = "no list came" if status == 200 else f"its list is refused: HTTP {status}"
    if first and not outcome.transient:
        return NoListingError(outcome, words, status)
    return RecordMissing(Outcome.TRUNCATED if status == 200 else outcome, words, status)


def walk_folder(root: Path) -> Iterator[list[ListedObject]]:
    """Yield the files below a folder of this machine, a page at a time.

    Links to folders are not followed. Blocks.
    """
    page: list[ListedObject] = []
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            about = path.stat()
            stamp = f"{about.st_mtime_ns:x}-{about.st_size:x}"
            key = path.relative_to(root).as_posix()
            page.append(ListedObject(key, str(path), about.st_size, stamp))
            if len(page) == PAGE:
                yield page
                page = []
    yield page


def key_problem(key: str) -> str | None:
    """Return why a key cannot be used as a name below a folder, or None if it can."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "it is no text"
    if not key or size > MAX_KEY:
        return f"it has {size:,} bytes"
    if re.search(r"[\x00-\x1f\x7f\\]", key):
        return "there are control characters or backslashes in it"
    for part in key.split("/"):
        if part in {"", ".", ".."}:
            return "it leads elsewhere"
        if len(part.encode()) > MAX_NAME:
            return f"a part of it has more than {MAX_NAME} bytes"
    return None
