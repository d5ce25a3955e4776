"""TAR, whose members follow each other. Source: POSIX 1003.1 (pax)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.member_names import MOST, member_names
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_BLOCK = 512
_MAX_MEMBERS = 200_000
_TOLD = frozenset({b"L", b"x"})  # kinds of members that tell the name of the next
_NO_MEMBER = frozenset({b"L", b"K", b"x", b"g"})
_LONGEST_NAME = 1 << 14  # bytes


def _checksum(block: bytes) -> bool:
    """Return whether a block is the header of a member: it holds the sum of its bytes."""
    digits = block[148:156].strip(b" \0")
    try:
        wanted = int(digits, 8)
    except ValueError:
        return False
    return wanted == sum(block) - sum(block[148:156]) + 8 * 32


def _is_tar(head: bytes) -> bool:
    return len(head) >= _BLOCK and _checksum(head[:_BLOCK])


def _tar(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    """Describe a TAR: each header says where the next is; two blocks of zeros end it."""
    at = members = headers = 0
    ended = False
    names: list[str] = []
    told = ""  # by the member before, of the next
    limit = _MAX_MEMBERS if options.walk else 1
    while members < limit:
        block = ranges.read(at, _BLOCK)
        if not block or not block.strip(b"\0"):
            ended = bool(block)
            break
        read_exactly(ranges, at, _BLOCK, f"the header of member {members:,}")
        if not _checksum(block):
            raise corrupt(f"at byte {at:,}, behind {members:,} members, is no header of a member")
        size, start = _size(block, at), at + _BLOCK
        at = start + -(-size // _BLOCK) * _BLOCK
        require(ranges, at, f"member {members:,}")
        members += 1
        kind = block[156:157]
        headers += kind in _NO_MEMBER
        if len(names) < MOST:
            data = ranges.read(start, min(size, _LONGEST_NAME)) if kind in _TOLD else b""
            told = _told_name(kind, data) or told
            if kind not in _NO_MEMBER:
                names.append(told or _name(block))
                told = ""
    count = members - headers
    extra: dict[str, str | float | int] = {"members": count}
    extra["member_names"] = member_names(names, count)
    if not options.walk or members == limit:
        return FileFacts("TAR")
    remark = "" if ended else "it has no end mark: members may be missing"
    proof = Proof(Checked.WHOLE if ended else Checked.HEADER, remark)
    return FileFacts("TAR", proof=proof, extra=dict(extra))


def _name(block: bytes) -> str:
    """Return the name in a header; POSIX has its beginning in another field."""
    name, prefix = (field.partition(b"\0")[0] for field in (block[:100], block[345:500]))
    is_posix = block[257:263] == b"ustar\0" and prefix
    return (prefix + b"/" + name if is_posix else name).decode("utf-8", "replace")


def _told_name(kind: bytes, data: bytes) -> str:
    """Return the name that a member tells of the next: GNU's long one, or pax's; or ""."""
    if kind == b"L":
        return data.partition(b"\0")[0].decode("utf-8", "replace")
    match = re.search(rb"\d+ path=([^\n]*)\n", data) if kind == b"x" else None
    return match[1].decode("utf-8", "replace") if match else ""


def _size(block: bytes, at: int) -> int:
    field = block[124:136]
    if field[0] & 0x80:  # GNU's notation for what eleven octal digits do not hold
        return int.from_bytes(field, "big") & ((1 << 95) - 1)
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError as error:
        raise corrupt(f"at byte {at:,}, a member without a length") from error


TAR = FileFormat("TAR", (".tar",), _is_tar, _tar, archive=True)
