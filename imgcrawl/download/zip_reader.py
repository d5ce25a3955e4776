"""Reading members of a ZIP file, damaged or hostile as it may be. None is extracted by its name."""

from __future__ import annotations

import asyncio
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from imgcrawl.download.errors import to_disk
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgcrawl.download.limits import TransferLimits

CHUNK = 1 << 20  # bytes
# Empty masks shrink a thousandfold, so that only what is large as well is a bomb.
BOMB_SIZE = 64 << 20  # bytes
BOMB_RATIO = 100
MAX_MEMBERS = 2_000_000  # of an archive; the directory of more is a bomb of its own

_ENCRYPTED = 0x1
# The other methods unpack a block as a whole, however large it gets.
_METHODS = {ZIP_STORED, ZIP_DEFLATED}
# What `zipfile` raises for damage, by trying.
_DAMAGE = (
    BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class ZipMember:
    """The bytes of a member, or word that they lie in the spool."""

    body: bytes
    spooled: bool = False


class ZipArchive:
    """An open ZIP file. Raises RecordMissing (corrupt) where it is none.

    name: for messages. `read` is called by one thread at a time, under `lock`.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.lock = asyncio.Lock()
        self.others = 0  # members that are neither files nor folders: a ZIP knows none
        self._name = name
        try:
            self._zip = ZipFile(path)
        except _DAMAGE as error:
            raise RecordMissing(Outcome.CORRUPT, f"{name} is no ZIP archive: {error}") from error
        if len(self._zip.infolist()) > MAX_MEMBERS:
            raise RecordMissing(Outcome.CORRUPT, f"{name} has more than {MAX_MEMBERS:,} members")
        self._by_last_part: dict[str, ZipInfo | None] = {}
        for info in self._zip.infolist():
            last = info.filename.rpartition("/")[2]
            self._by_last_part[last] = None if last in self._by_last_part else info

    def names(self) -> list[str]:
        """Return the full names of all members."""
        return [info.filename for info in self._zip.infolist() if not info.is_dir()]

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each member, as the archive says, by its full name."""
        return {info.filename: info.file_size for info in self._zip.infolist() if not info.is_dir()}

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def read(self, member: str, limits: TransferLimits) -> ZipMember | None:
        """Return a member by its full name, or by the last part of it; None if there is none.

        Raises RecordMissing: corrupt (damaged, encrypted, a bomb), too_large, disk_full.
        """
        info = self._zip.NameToInfo.get(member)
        if info is None:
            info = self._by_last_part.get(member.rpartition("/")[2])
        if info is None or info.is_dir():
            return None
        self._check(info, limits)
        return kept_member(self._chunks(info), info.file_size, limits)

    def _check(self, info: ZipInfo, limits: TransferLimits) -> None:
        size, ratio = info.file_size, info.file_size / max(info.compress_size, 1)
        if info.flag_bits & _ENCRYPTED:
            raise self._corrupt("a member is encrypted")
        if info.compress_type not in _METHODS:
            raise self._corrupt(f"a member is compressed by method {info.compress_type}")
        if not limits.allows(size):
            message = f"a member of {size:,} bytes in {self._name}"
            raise RecordMissing(Outcome.TOO_LARGE, message)
        if size > BOMB_SIZE and ratio > BOMB_RATIO:
            raise self._corrupt(f"a member would unpack {ratio:,.0f}-fold to {size:,} bytes")

    def _chunks(self, info: ZipInfo) -> Iterator[bytes]:
        """Yield a member piece by piece. Its announced size is a limit; a wrong one is damage."""
        try:
            with self._zip.open(info) as member:
                while chunk := member.read(CHUNK):
                    yield chunk
        except _DAMAGE as error:
            raise self._corrupt(str(error) or type(error).__name__) from error

    def _corrupt(self, words: str) -> RecordMissing:
        return RecordMissing(Outcome.CORRUPT, f"{self._name}: {words}")


def kept_member(chunks: Iterable[bytes], size: int, limits: TransferLimits) -> ZipMember:
    """Return a member of `size` bytes: in memory, or on disk in the spool. Blocks.

    Raises RecordMissing: disk_full, and what reading raises.
    """
    if limits.spool is None or size <= limits.spool_threshold:
        return ZipMember(b"".join(chunks))
    spool = Path(limits.spool)
    try:
        with to_disk(), spool.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
    except RecordMissing:
        spool.unlink(missing_ok=True)
        raise
    return ZipMember(b"", spooled=True)
