"""The description of any microscopy file, from a few short pieces of it.

A format is a `FileFormat` in a module of its own, and an entry of `FORMATS`.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from imgcrawl.microscopy.dm_facts import DM
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.picture_facts import PICTURES
from imgcrawl.microscopy.ranges import CachedRanges
from imgcrawl.microscopy.tiff_facts import TIFF
from imgcrawl.pictures.sniff import HEAD_BYTES, excerpt, sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.facts import FileFacts
    from imgcrawl.microscopy.ranges import ByteRanges

# Each is asked in turn whether it recognizes a file.
FORMATS: tuple[FileFormat, ...] = (DM, TIFF, *PICTURES)


def describe(
    ranges: ByteRanges, *, name: str = "", walk: bool = True, private: bool = False
) -> FileFacts:
    """Return what a file says of itself; its bytes tell the format, not its name.

    name:    quoted in messages
    walk:    count the pages of a TIFF, which takes a read for each
    private: names of persons and paths of users too
    Raises RecordMissing (`empty`, `not_image`, `truncated`, `corrupt`, `too_large`), and OSError
    where bytes cannot be read.
    """
    cached = ranges if isinstance(ranges, CachedRanges) else CachedRanges(ranges)
    head = cached.read(0, HEAD_BYTES)
    if not head:
        raise RecordMissing(Outcome.EMPTY, "no bytes at all")
    for format_ in FORMATS:
        if format_.recognizes(head):
            return format_.describe(cached, DescribeOptions(walk=walk, private=private))
    kind = sniff(head)
    suffix = printable(PurePosixPath(name).suffix, 16)
    what = f"named {suffix}, but {kind.what}" if suffix else kind.what
    words = excerpt(cached.read(0, 16 * HEAD_BYTES))
    raise RecordMissing(Outcome.NOT_IMAGE, f"{what}: {words}" if words else what)
