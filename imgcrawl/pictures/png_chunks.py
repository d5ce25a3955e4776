"""The chunks of a PNG: so many, that their number alone is an attack, are counted beforehand."""

from __future__ import annotations

from typing import IO

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

_ANYWAY, _EACH = 10_000, 256  # so many chunks, and one more for so many bytes of the file


def require_few_chunks(file: IO[bytes]) -> None:
    """Raise RecordMissing (`corrupt`) for a PNG of hardly anything but the heads of chunks.

    Pillow looks at each, in Python: a file of 5 MB takes seconds. The position is 0 before and
    after.
    """
    at = file.seek(8)
    n = 0
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        n += 1
        at += 12 + int.from_bytes(head[:4], "big")
        if n > _ANYWAY + at // _EACH:
            raise RecordMissing(Outcome.CORRUPT, f"a PNG of {n:,} chunks in {at:,} bytes")
        file.seek(at)
    file.seek(0)
