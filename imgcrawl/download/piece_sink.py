"""The place of one answer's body in a file of any size: checked as it comes, and written there."""

from __future__ import annotations

import re
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imgcrawl.download.bodies import BodySink
from imgcrawl.download.logins import asks_for_login
from imgcrawl.pictures.sniff import sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.http import Headers

    from imgcrawl.download.partial_file import PartialFile

SLOW, SLOW_AFTER = 1000, 60.0  # bytes a second, and the seconds until this is too slow
STRETCH = 4 << 20  # bytes of a piece that are added at once
_TEXTS = (".html", ".htm", ".xml", ".xhtml", ".txt", ".csv", ".json", ".md", ".svg")


class ChangedError(RecordMissing):
    """What is asked for is not the file any more whose beginning is there."""


class PieceSink(BodySink):
    """Where the handler puts the body of one answer: into its place in the part."""

    def __init__(
        self, part: PartialFile, start: int, end: int, tell: Callable[[int], None]
    ) -> None:
        self._part = part
        self.start = self.at = self._added = start
        self._end = end
        self._tell = tell
        self._since = monotonic()
        self._final_url = part.url
        self.coding = ""  # Content-Encoding of the answer
        self._closed = False

    def add(self) -> None:
        """Add to the part what has come since the last time."""
        if self.at > self._added:
            self._part.add(self._added, self.at)
            self._added = self.at

    def close(self) -> None:
        """Stop writing: the part is another's, or is finished."""
        self._closed = True

    def begin(self, status: int, headers: Headers, url: str) -> None:
        """Take the headers. Raises RecordMissing if the body is not the range asked for."""
        if self._closed:
            raise RecordMissing(Outcome.INTERRUPTED, "nobody waits for it any more")
        self.at = self.start
        self._final_url = url
        self.coding = (headers.get("Content-Encoding") or b"").decode("latin-1")
        self._since = monotonic()
        validator = _validator(headers)
        part = self._part
        if status == 206:
            start, total = _content_range(headers)
            if start != self.start:
                raise RecordMissing(
                    Outcome.HTTP_ERROR, "another range came than was asked for", 206
                )
            if part.size is None:
                part.size, part.validator = total, validator
                self._end = min(self._end, total)
            elif (part.size, part.validator) != (total, validator):
                raise ChangedError(Outcome.HTTP_ERROR, "it is another file now")
        elif part.received or self.start:
            raise ChangedError(Outcome.HTTP_ERROR, "it is another file now")
        else:
            self._added = 0
            self._end = -1  # the whole, however long it is
            part.size = parse_size((headers.get("Content-Length") or b"").decode("latin-1"))

    def write(self, data: bytes | bytearray) -> None:
        """Take the next bytes of the body. Raises RecordMissing."""
        if self._closed:
            raise RecordMissing(Outcome.INTERRUPTED, "nobody waits for it any more")
        if self.at == 0:
            self._refuse_page(bytes(data[:4096]))
        if 0 <= self._end < self.at + len(data):
            raise RecordMissing(Outcome.HTTP_ERROR, "more came than was asked for", 206)
        # In a second try, what was added in the first is there, and may have been hashed.
        there = max(0, self._added - self.at)
        if there < len(data):
            self._part.write(self.at + there, memoryview(data)[there:])
        self.at += len(data)
        if self._end >= 0 and self.at - self._added >= STRETCH:
            self.add()
        self._tell(self.at - self.start)
        seconds = monotonic() - self._since
        if seconds > SLOW_AFTER and (self.at - self.start) / seconds < SLOW:
            raise RecordMissing(Outcome.TIMEOUT, f"less than {SLOW} bytes a second")

    def end(self) -> None:
        """Finish the body. Raises RecordMissing if it is not whole."""
        if 0 <= self._end != self.at:
            raise RecordMissing(Outcome.TRUNCATED, "less came than was asked for", 206)

    def _refuse_page(self, head: bytes) -> None:
        if asks_for_login(self._part.url, self._final_url, head):
            host = urlsplit(self._final_url).hostname
            words = f"{host} asks for a login: this is not open to everyone"
            raise RecordMissing(Outcome.FORBIDDEN, words, 200)
        kind = sniff(head)
        name = re.split(r"[?#]", self._part.url)[0].lower()
        if kind.what.startswith(("an HTML", "HTML")) and not name.endswith(_TEXTS):
            raise RecordMissing(Outcome.NOT_IMAGE, f"no file but {kind.what}", 200)


def _validator(headers: Headers) -> str | None:
    """Return the validator for If-Range: a strong ETag, a date, or None."""
    etag = (headers.get("ETag") or b"").decode("latin-1").strip()
    if etag and not etag.startswith("W/"):
        return etag
    return (headers.get("Last-Modified") or b"").decode("latin-1").strip() or None


def _content_range(headers: Headers) -> tuple[int, int]:
    """Return the range's start and the whole length. Raises RecordMissing for neither."""
    text = (headers.get("Content-Range") or b"").decode("latin-1")
    match = re.fullmatch(r"\s*bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18})\s*", text)
    if not match or int(match[2]) >= int(match[3]):
        raise RecordMissing(Outcome.HTTP_ERROR, f"a range that cannot be read: {text[:80]!r}", 206)
    return int(match[1]), int(match[3])
