"""The description of any microscopy file, from a few short pieces of it.

A format is a `FileFormat` in a module of its own, and an entry of `registry.FORMATS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions
from imgcrawl.microscopy.proof import Checked, Proof
from imgcrawl.microscopy.ranges import CachedRanges
from imgcrawl.microscopy.registry import FORMATS, SHARED, extension_of, promised
from imgcrawl.pictures.sniff import HEAD_BYTES, excerpt, sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcrawl.microscopy.format import FileFormat
    from imgcrawl.microscopy.ranges import ByteRanges


_WEAK_MAGICS = (b"\0\0\1\0", b"\0\0\2\0", b"\xff\x0a", b"BM", b"ID3", b"MZ")
_BEGINNING = 8 << 10  # bytes by which formats are recognized


def describe(
    ranges: ByteRanges, *, name: str = "", walk: bool = True, private: bool = False
) -> FileFacts:
    """Return what a file says of itself, and how far it was proved to be whole.

    name:    its extension says which formats are expected; a picture of another format is
             described as what it is (`merge.misnamed`)
    walk:    prove it to its end, which may read all of it
    private: names of persons and paths of users too
    Raises RecordMissing (`empty`, `not_image`, `truncated`, `corrupt`, `too_large`), and OSError
    where bytes cannot be read.
    """
    cached = ranges if isinstance(ranges, CachedRanges) else CachedRanges(ranges)
    head = cached.read(0, _BEGINNING)
    if not head:
        raise RecordMissing(Outcome.EMPTY, "no bytes at all")
    expected = promised(name)
    format_ = _format_of(head, expected)
    if format_ is None:
        raise _refused(cached, head, name)
    options = DescribeOptions(walk=walk, private=private, name=name, inner=_describe_inner)
    return format_.describe(cached, options)


def _describe_inner(ranges: ByteRanges, name: str) -> FileFacts | None:
    """Describe what a compressed file holds, of which only the beginning can be read."""
    if not promised(name) or extension_of(name) in SHARED:
        return None
    return describe(ranges, name=name, walk=False)


def _format_of(head: bytes, expected: Sequence[FileFormat]) -> FileFormat | None:
    for format_ in expected:
        if (format_.plausible or format_.recognizes)(head):
            return format_
    found = next((each for each in FORMATS if each.recognizes(head)), None)
    # An archive or a text under the extension of a picture is no picture by a wrong name.
    return None if found is not None and expected and found.archive else found


def _refused(cached: CachedRanges, head: bytes, name: str) -> RecordMissing:
    kind, suffix = sniff(head[:HEAD_BYTES]), printable(extension_of(name), 16)
    what = f"named {suffix}, but {kind.what}" if suffix else kind.what
    words = excerpt(cached.read(0, 16 * HEAD_BYTES))
    return RecordMissing(Outcome.NOT_IMAGE, f"{what}: {words}" if words else what)


def unknown_file(ranges: ByteRanges, name: str) -> FileFacts:
    """Return the facts of a file of no known format, which is kept as it came.

    Raises RecordMissing (`not_image`) for what is no file of any name: a page, an error document,
    a pointer to a file that is elsewhere; and where the name promises binary data of some kind,
    for all that is known to be something else.
    """
    head = ranges.read(0, HEAD_BYTES)
    kind, zeros = sniff(head), not head.strip(b"\0")
    is_other = extension_of(name) in SHARED and kind.is_known and not zeros
    # Numbers may begin as these do.
    is_other = is_other and not head.startswith(_WEAK_MAGICS)
    if kind.is_answer or is_other:
        raise _refused(CachedRanges(ranges), head, name)
    remark = f"it begins with {HEAD_BYTES:,} zero bytes" if zeros else ""
    return FileFacts("", proof=Proof(Checked.UNCHECKED, remark))
