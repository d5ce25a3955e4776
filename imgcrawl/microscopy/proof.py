"""How far a file was proved to be what it says, and the reads that prove it.

Every number in a header may be a lie: a read never asks for more than the file has, and an offset
behind the end is a reason, not an error.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import ByteRanges


_LINES = 16  # line feeds that stand behind a carriage return by chance: of a file in 10^38
_LOOKED_AT = 1 << 20


class Checked(StrEnum):
    """How far a file was proved: the words of the column `checked`."""

    WHOLE = "whole"  # its format says how long it is, or where its parts lie: all of it is there
    HEADER = "header"  # it begins as it must; whether its end is there was not to be seen
    UNCHECKED = "unchecked"  # no rule knows it: as it came


@dataclass(frozen=True, slots=True)
class Proof:
    """What is proved of a file; suspect: what is odd though readers open it, in words."""

    checked: Checked = Checked.HEADER
    suspect: str = ""


def corrupt(words: str) -> RecordMissing:
    """Return what to raise for a file whose structure is none."""
    return RecordMissing(Outcome.CORRUPT, words)


def require(ranges: ByteRanges, end: int, what: str) -> None:
    """Raise RecordMissing (`truncated`) if a file of known size ends before the byte `end`."""
    if ranges.size is not None and end > ranges.size:
        words = f"{what} reaches to byte {end:,} of {ranges.size:,}"
        raise RecordMissing(Outcome.TRUNCATED, words)


def read_exactly(ranges: ByteRanges, offset: int, length: int, what: str) -> bytes:
    """Return exactly `length` bytes from `offset` on.

    what: names the piece in the message, as "the header"
    Raises RecordMissing: `truncated` if they are not there, `corrupt` for an impossible place.
    """
    if offset < 0 or length < 0:
        raise corrupt(f"{what} at byte {offset:,}, {length:,} bytes long")
    require(ranges, offset + length, what)
    data = ranges.read(offset, length)
    if len(data) < length:
        words = f"{what} reaches to byte {offset + length:,} of {offset + len(data):,}"
        raise RecordMissing(Outcome.TRUNCATED, words)
    return data


def unpack(ranges: ByteRanges, offset: int, layout: str, what: str) -> tuple[Any, ...]:
    """Return the numbers that lie at `offset`; layout: of struct. Raises as `read_exactly`."""
    return struct.unpack(layout, read_exactly(ranges, offset, struct.calcsize(layout), what))


def _is_of_text_mode(ranges: ByteRanges) -> bool:
    """Return whether line feeds were made pairs, as FTP and git do with what they take for text."""
    data = ranges.read(0, _LOOKED_AT)
    feeds = data.count(b"\n")
    return feeds >= _LINES and data.count(b"\r\n") == feeds


def whole(ranges: ByteRanges, end: int, what: str, suspect: str = "") -> Proof:
    """Return the proof of a file whose format says that it ends at byte `end`.

    Bytes behind the end are remarked on. Raises RecordMissing (`truncated`).
    """
    require(ranges, end, what)
    if ranges.size is None:
        return Proof(Checked.HEADER, suspect)
    more = ranges.size - end
    if more >= _LINES and more * _LINES < ranges.size and _is_of_text_mode(ranges):
        raise corrupt("each line feed is behind a carriage return: it was transferred as text")
    words = f"{more:,} bytes follow its end" if more else ""
    return Proof(Checked.WHOLE, suspect or words)
