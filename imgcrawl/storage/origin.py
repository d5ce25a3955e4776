"""Where a stored file's bytes came from, noted on the file itself."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from imgcrawl.records.items import Stored
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from pathlib import Path


_ATTRIBUTE = "user.imgcrawl.origin"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file's bytes came from: the URL asked, the one that answered, and what it was."""

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

    def note(self, file: str | os.PathLike[str]) -> None:
        """Note on the file itself what its record could not tell, were the run to end here."""
        try:
            os.setxattr(file, _ATTRIBUTE, json.dumps(astuple(self)).encode())
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise

    @classmethod
    def of_file(cls, file: Path, default: str) -> Origin | None:
        """The origin noted on a file, `default` where none had to be; None where none could be."""
        try:
            return cls(*json.loads(os.getxattr(file, _ATTRIBUTE)))
        except OSError as error:
            return cls(default, default, "original") if error.errno == errno.ENODATA else None
