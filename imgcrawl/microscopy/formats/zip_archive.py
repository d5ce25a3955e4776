"""ZIP: the directory at its end, and each member expanded against its CRC.

OME-Zarr, NPZ and office documents are ZIP files too.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, cast

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.member_names import member_names
from imgcrawl.microscopy.proof import Checked, Proof, corrupt
from imgcrawl.microscopy.ranges import RangesFile
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_PIECE = 256 << 10
_MAX_MEMBERS = 300_000
_ANYWAY, _EACH = 10_000, 1024  # so many members, and one more for so many bytes of the archive
_MAX_DIRECTORY = 12 << 20  # a hundred thousand members: more of them take much memory
_FREE, _RATIO = 64 << 20, 100  # members may expand so far, or so many times
_STORED_OR_DEFLATED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_END, _LONGER_END, _ENCRYPTED = b"PK\5\6", b"PK\6\6", 1


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    if ranges.size is None:
        return FileFacts("ZIP", proof=Proof())
    length = _directory_length(ranges, ranges.size)
    if not options.walk:
        return FileFacts("ZIP", proof=Proof())
    if length > _MAX_DIRECTORY:
        remark = f"not expanded: its directory has {length:,} bytes"
        return FileFacts("ZIP", proof=Proof(Checked.HEADER, remark))
    file = RangesFile(ranges.ranges, ranges.size, budget=1 << 62)
    try:
        with zipfile.ZipFile(cast("IO[bytes]", file)) as archive:
            remark = _expand(archive, ranges.size)
            members = archive.infolist()
            names = member_names((each.filename for each in members), len(members))
            extra: dict[str, str | float | int] = {"members": len(members), "member_names": names}
    except RecordMissing:
        raise
    # zipfile and zlib meet hostile bytes with half a dozen classes of errors.
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, struct.error, KeyError) as error:
        if file.failure is not None:
            raise file.failure from error
        words = f"a ZIP archive that does not expand: {printable(str(error))}"
        raise corrupt(words) from error
    proof = Proof(Checked.HEADER if remark.startswith("not ") else Checked.WHOLE, remark)
    return FileFacts("ZIP", proof=proof, extra=dict(extra))


def _directory_length(ranges: CachedRanges, size: int) -> int:
    """Return how long the directory at the end is, in bytes.

    Raises RecordMissing (`truncated`) if the record that ends each archive is not there.
    """
    tail = ranges.read(max(0, size - (1 << 16) - 100), (1 << 16) + 100)
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < 22:
        raise RecordMissing(Outcome.TRUNCATED, "the ZIP archive stops before its directory")
    longer = tail.rfind(_LONGER_END, 0, place)
    if longer >= 0:  # of an archive with more, or longer, members
        return int.from_bytes(tail[longer + 40 : longer + 48], "little")
    return int.from_bytes(tail[place + 12 : place + 16], "little")


def _expand(archive: zipfile.ZipFile, size: int) -> str:
    """Expand each member; return a remark on what could not be, or nothing."""
    members = archive.infolist()
    if len(members) > min(_MAX_MEMBERS, _ANYWAY + size // _EACH):
        return f"not expanded: {len(members):,} members"
    left, skipped = max(_FREE, _RATIO * size), 0
    for member in members:
        if member.flag_bits & _ENCRYPTED or member.compress_type not in _STORED_OR_DEFLATED:
            skipped += 1
            continue
        with archive.open(member) as file:
            while piece := file.read(_PIECE):
                left -= len(piece)
                if left < 0:
                    return f"not expanded to its end: beyond {max(_FREE, _RATIO * size):,} bytes"
    return f"{skipped:,} members are of a kind that was not expanded" if skipped else ""


ZIP = FileFormat(
    "ZIP",
    (".zip", ".npz", ".cbz", ".xlsx", ".docx", ".pptx"),
    recognizes=lambda head: head.startswith((b"PK\3\4", b"PK\5\6")),
    describe=_describe,
    archive=True,
)
