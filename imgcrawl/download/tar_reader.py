"""Reading members of a TAR file, packed or not, damaged or hostile as it may be.

One that is packed is unpacked to a plain TAR first: only there can members be read in any order.
None is extracted by its name, no link is followed, and what is neither a file nor a folder (links,
devices) is counted.
"""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import sys
import tarfile
import zlib
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.download.errors import to_disk
from imgcrawl.download.zip_reader import BOMB_RATIO, CHUNK, MAX_MEMBERS, ZipMember, kept_member
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from imgcrawl.download.limits import TransferLimits

BOMB_SIZE = 1 << 30  # bytes of a whole archive that unpacks more than BOMB_RATIO-fold
_HEADER = 1 << 20  # bytes that one header may have; a hostile one names any number
_XZ_MEMORY = 256 << 20  # bytes that unpacking xz may take
_BLOCK = 512
_DAMAGE = (tarfile.TarError, EOFError, OSError, OverflowError, RecursionError, ValueError)
_PACKED_DAMAGE = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)
_MARKS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


class TarArchive:
    """An open TAR file. Raises RecordMissing (corrupt) where it is none, or is cut.

    name:   for messages. `read` is called by one thread at a time, under `lock`.
    others: members that are neither files nor folders
    """

    def __init__(self, path: Path, name: str) -> None:
        self.lock = asyncio.Lock()
        self.others = 0
        self._name = name
        self._members: dict[str, tuple[int, int]] = {}  # where a file begins, and its bytes
        self._file = path.open("rb")
        try:
            self._read_index()
        except _DAMAGE as error:
            self._file.close()
            raise RecordMissing(Outcome.CORRUPT, f"{name} is no TAR archive: {error}") from error

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each member that is a file, by its full name."""
        return {name: size for name, (_, size) in self._members.items()}

    def names(self) -> list[str]:
        """Return the full names of all members that are files."""
        return list(self._members)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, member: str, limits: TransferLimits) -> ZipMember | None:
        """Return a member by its full name; None if there is none.

        Raises RecordMissing: corrupt (cut), too_large, disk_full.
        """
        place = self._members.get(member)
        if place is None:
            return None
        if not limits.allows(place[1]):
            words = f"a member of {place[1]:,} bytes in {self._name}"
            raise RecordMissing(Outcome.TOO_LARGE, words)
        return kept_member(self._chunks(*place), place[1], limits)

    def _chunks(self, offset: int, size: int) -> Iterator[bytes]:
        self._file.seek(offset)
        while size:
            chunk = self._file.read(min(size, CHUNK))
            if not chunk:
                raise RecordMissing(Outcome.CORRUPT, f"{self._name}: it is cut")
            size -= len(chunk)
            yield chunk

    def _read_index(self) -> None:
        headers: Any = _Headers(self._file)
        archive: Any
        with tarfile.open(fileobj=headers, mode="r:") as archive:
            while (info := archive.next()) is not None:
                archive.members = []  # it keeps all that it has read
                self._take(info)
                if len(self._members) > MAX_MEMBERS:
                    raise tarfile.ReadError(f"more than {MAX_MEMBERS:,} members")
            end = archive.offset
        self._file.seek(end)
        # A header that is damaged ends the list of members, too.
        if self._file.read(_BLOCK) != bytes(_BLOCK):
            raise tarfile.ReadError("it stops before its end")

    def _take(self, info: tarfile.TarInfo) -> None:
        name = _plain_name(info.name)
        if info.isreg() and not info.issparse() and info.size >= 0:
            self._members[name] = info.offset_data, info.size
        elif info.islnk() and (place := self._members.get(_plain_name(info.linkname))):
            self._members[name] = place  # the same file by another name
        elif not info.isdir():
            self.others += 1


class _Headers:
    """A file of which no more than a header is read at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        """Return bytes. Raises ReadError for more than any header has."""
        if size > _HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._file.read(size)


def _plain_name(name: str) -> str:
    """Return a member's name as text, without ``./`` before it."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text.removeprefix("./")


def unpack_pieces(path: Path, maxsize: int) -> Generator[None, None, None]:
    """Put the TAR that a packed one holds in its place, a piece a step; a plain one stays.

    Raises RecordMissing: corrupt (damaged, or a bomb), too_large, disk_full. Blocks.
    """
    plain = path.with_suffix(".plain")
    with path.open("rb") as file:
        head = file.read(8)
        kind = next((kind for mark, kind in _MARKS.items() if head.startswith(mark)), None)
        if kind is None:
            return
        file.seek(0)
        try:
            with to_disk():
                target = plain.open("wb")
            with target:
                for chunk in _bounded(_unpacked(file, kind), path.stat().st_size, maxsize):
                    with to_disk():
                        target.write(chunk)
                    yield
            plain.replace(path)
        finally:
            plain.unlink(missing_ok=True)


def _bounded(chunks: Iterable[bytes], packed: int, maxsize: int) -> Iterator[bytes]:
    """Yield what was packed in so many bytes. Raises RecordMissing: too_large, corrupt."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if maxsize and size > maxsize:
            raise RecordMissing(Outcome.TOO_LARGE, f"it unpacks to {size:,} bytes and more")
        if size > BOMB_SIZE and size > BOMB_RATIO * packed:
            words = f"it would unpack more than {BOMB_RATIO}-fold, to {size:,} bytes and more"
            raise RecordMissing(Outcome.CORRUPT, words)
        yield chunk


def _unpacked(file: IO[bytes], kind: str) -> Iterator[bytes]:
    """Yield what a packed file holds. Raises RecordMissing (corrupt)."""
    damage: tuple[type[Exception], ...] = _PACKED_DAMAGE
    try:
        if kind == "xz":
            yield from _xz(file)
            return
        if kind == "zstd":
            zstd = _zstd()
            damage = (*damage, zstd.ZstdError)
            source = zstd.ZstdFile(file)
        else:
            source = gzip.GzipFile(fileobj=file) if kind == "gzip" else bz2.BZ2File(file)
        while chunk := source.read(CHUNK):
            yield chunk
    except damage as error:
        raise RecordMissing(Outcome.CORRUPT, f"damaged {kind}: {error}") from error


def _xz(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what xz packed, in bounded memory; several streams may follow each other."""
    piece = b""
    while piece := piece or file.read(CHUNK):
        decompressor = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
        while not decompressor.eof:
            if decompressor.needs_input and not (piece := piece or file.read(CHUNK)):
                raise EOFError("it is cut")
            yield decompressor.decompress(piece, CHUNK)
            piece = b""
        piece = decompressor.unused_data.lstrip(b"\0")  # what may be between two streams


def _zstd() -> Any:
    """Return the module of zstd. Raises RecordMissing where there is none."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        return import_module(name)
    except ImportError as error:
        words = "zstd is read by the extra `volumes`: pip install 'imgcrawl[volumes]'"
        raise RecordMissing(Outcome.CORRUPT, words) from error
