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
from imgcrawl.microscopy.proof import Checked, Proof, corrupt
from imgcrawl.microscopy.ranges import RangesFile
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_PIECE = 256 << 10
_MAX_MEMBERS = 300_000
_MAX_DIRECTORY = 64 << 20
_FREE, _RATIO = 64 << 20, 100  # members may expand so far, or so many times
_STORED_OR_DEFLATED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_END, _ENCRYPTED = b"PK\5\6", 1


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    if ranges.size is None:
        return FileFacts("ZIP", proof=Proof())
    _find_directory(ranges, ranges.size)
    if not options.walk:
        return FileFacts("ZIP", proof=Proof())
    file = RangesFile(ranges.ranges, ranges.size, budget=1 << 62)
    try:
        with zipfile.ZipFile(cast("IO[bytes]", file)) as archive:
            remark = _expand(archive, ranges.size)
            extra = {"members": len(archive.infolist())}
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


def _find_directory(ranges: CachedRanges, size: int) -> None:
    """Raise RecordMissing (`truncated`) if the record that ends each archive is not there."""
    tail = ranges.read(max(0, size - (1 << 16) - 22), (1 << 16) + 22)
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < 22:
        raise RecordMissing(Outcome.TRUNCATED, "the ZIP archive stops before its directory")
    length = int.from_bytes(tail[place + 12 : place + 16], "little")
    if length > _MAX_DIRECTORY and length != 0xFFFFFFFF:
        raise RecordMissing(Outcome.TOO_LARGE, f"a ZIP directory of {length:,} bytes")


def _expand(archive: zipfile.ZipFile, size: int) -> str:
    """Expand each member; return a remark on what could not be, or nothing."""
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
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
