"""Where a stored file's bytes came from, noted on the file itself."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

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
