"""Where a stored file's bytes came from, noted on the file before it gets its final name.

A run that is killed has stored files that its ledger does not have. The next run takes over those
whose note, or whose promised digest, proves that they answer what it asks; any other is fetched.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.items import Stored
from imgcrawl.storage.digests import check_digests, digest
from imgcrawl.storage.local import ATTRIBUTE
from imgcrawl.text.redact import without_secrets
from imgcrawl.text.signed_urls import stable_address
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imgcrawl.records.items import Item, Result

_KEY = "origin"
_SOURCES = {"original", "mirror", "wayback"}
_MAX_BYTES = 1500  # S3 keeps 2 kB of metadata


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file's bytes came from: the URL asked, the one that answered, and its kind."""

    url: str
    final_url: str
    source: str  # original, mirror, wayback

    def stored(self, file_name: str, sha256: str, size: int, tries: int) -> Stored:
        """Return the result of a record whose file came from here just now.

        file_name: relative to OUT; size: bytes; tries: how many times the address was asked
        """
        return Stored(
            file_name=file_name,
            url=self.url,
            final_url=self.final_url,
            sha256=sha256,
            bytes=size,
            downloaded_at=utc_now(),
            source=self.source,
            tries=tries,
        )

    def metadata(self, sha256: str) -> dict[str, str]:
        """Return the note that goes with a file; none for an address that is too long for it.

        sha256: of the file, in hexadecimal
        Of the address asked it has a digest, and of the other no credentials: files are given away.
        It is short, to have room in an inode.
        """
        final_url = "" if self.final_url == self.url else without_secrets(self.final_url)
        words = (_digest(self.url), _short(sha256), self.source, final_url)
        text = " ".join(words).encode("ascii", "backslashreplace").decode()
        return {_KEY: text} if len(text) <= _MAX_BYTES else {}


def proven_origin(file: Path, item: Item) -> Origin | None:
    """Return where a file without a row came from, if it answers what an item asks. Blocks.

    None if neither its note nor a digest that the source promises proves that.
    """
    origin = _noted(file, item.urls)
    if item.digests:
        try:
            check_digests(file, item.digests)
        except RecordMissing:
            return None
        return origin or Origin(item.urls[0], item.urls[0], "original")
    return origin


def _noted(file: Path, urls: Sequence[str]) -> Origin | None:
    try:
        text = os.getxattr(file, ATTRIBUTE + _KEY).decode("ascii")
        asked, sha256, source, final_url = text.split(" ", 3)
    except (OSError, ValueError):  # none, of a disk that keeps none, or another's
        return None
    url = next((url for url in urls if _digest(url) == asked), None)
    if url is None or source not in _SOURCES:
        return None
    # Of a file whose bytes never reached the disk, the name and the note may have.
    return Origin(url, final_url or url, source) if _short(digest(file)[0]) == sha256 else None


def _digest(url: str) -> str:
    address = stable_address(url).encode("utf-8", "surrogatepass")
    return hashlib.sha256(address).hexdigest()[:12]


def _short(sha256: str) -> str:
    return sha256[:22]  # of damage, so many tell as well as all


def note_of(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the note in the metadata of an object, for the file that is made of it."""
    return {_KEY: metadata[_KEY]} if _KEY in metadata else {}


def object_metadata(result: Result | None) -> dict[str, str]:
    """Return the metadata of a record's object: ``sha256`` and the note. ASCII."""
    if not isinstance(result, Stored) or result.sha256 is None or result.url is None:
        return {}
    origin = Origin(result.url, result.final_url or result.url, result.source or "original")
    return {"sha256": result.sha256} | origin.metadata(result.sha256)
