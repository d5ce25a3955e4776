"""Where a stored file's bytes came from, kept with the file.

A run that is killed has stored files that its ledger does not have. The next run takes them over
by this, in place of asking the source again.
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from imgcrawl.records.items import Stored
from imgcrawl.storage.local import ATTRIBUTE
from imgcrawl.text.redact import without_secrets
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imgcrawl.records.items import Result

_KEY = "origin"
_MAX_BYTES = 1500  # S3 keeps 2 kB of metadata
_TOO_LONG = "untold"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file's bytes came from: the URL asked, the one that answered, and its kind."""

    url: str
    final_url: str
    source: str  # original, mirror, wayback

    @property
    def is_plain(self) -> bool:
        """Whether the record's first URL answered by itself, as it mostly does."""
        return self.source == "original" and self.final_url == self.url

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

    def metadata(self) -> dict[str, str]:
        """Return the metadata of a file of this machine: none for a plain origin."""
        return {} if self.is_plain else {_KEY: json.dumps(astuple(self))}

    @classmethod
    def of_file(cls, file: Path, default: str) -> Origin | None:
        """Return the origin kept with a file, or a plain one of `default` if none is.

        None if the disk keeps no such thing.
        """
        try:
            return cls(*json.loads(os.getxattr(file, ATTRIBUTE + _KEY)))
        except OSError as error:
            return cls(default, default, "original") if error.errno == errno.ENODATA else None

    @classmethod
    def of_object(cls, metadata: Mapping[str, str]) -> Origin | None:
        """Return the origin kept with an object, or None for a plain one.

        Raises ValueError if it is not there or cannot be read: the source has to be asked again.
        """
        if _KEY not in metadata:
            return None
        try:
            url, final_url, source = map(str, json.loads(metadata[_KEY]))
        except TypeError as error:
            raise ValueError("not an origin") from error
        return cls(url, final_url, source)


def object_metadata(result: Result | None) -> dict[str, str]:
    """Return the metadata of a record's object: ``sha256``, and ``origin`` unless it is plain.

    Without secrets, since everyone who may read the object may read them. ASCII.
    """
    if not isinstance(result, Stored) or result.sha256 is None or result.url is None:
        return {}
    metadata = {"sha256": result.sha256}
    origin = Origin(result.url, result.final_url or result.url, result.source or "original")
    if not origin.is_plain:
        text = json.dumps([without_secrets(part) for part in astuple(origin)])
        metadata[_KEY] = text if len(text) <= _MAX_BYTES else _TOO_LONG
    return metadata
