"""Open a list, compressed or not, as a stream of bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.extras import require_extra
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a reader may raise on damaged data.
DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")
_USTAR = slice(257, 262)  # where a tar says that it is one
_ZSTD = b"\x28\xb5\x2f\xfd"


def is_url(name: str) -> bool:
    """Return True if a list has to be downloaded first."""
    return name.startswith(("http://", "https://"))


def split_member(name: str) -> tuple[str, str]:
    """Split ``a.zip#b/c.json`` into archive and member; any other name has the member ""."""
    base, hash_, member = name.partition("#")
    return (base, member) if hash_ and base.lower().endswith(_ARCHIVES) else (name, "")


@contextmanager
def open_list(name: str, member: str = "") -> Iterator[IO[bytes]]:
    """Open a list as decompressed bytes (gzip, bzip2, xz, zstd, a member of a zip or a tar).

    name: a path, or ``-`` for standard input; its first bytes tell the compression
    member: of an archive; by default its only file, README, .md and .pdf apart
    Raises ArgumentError if it cannot be opened.
    """
    with _raw(name) as raw:
        head = raw.peek(6)[:6]
        if head[:4] == b"PK\x03\x04":
            if name == "-":
                raise ArgumentError("A zip cannot be read from standard input: give its path.")
            with ExitStack() as stack:
                try:
                    archive = stack.enter_context(zipfile.ZipFile(raw))
                    file = stack.enter_context(archive.open(_chosen(_files(archive), member, name)))
                except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                    raise ArgumentError(f"{name} cannot be unpacked: {error}.") from error
                yield file
            return
        file = _decompressed(raw, head)
        if not _is_tar(file):
            if member:
                raise ArgumentError(f"{name} is no archive: it has no member {member!r}.")
            yield file
            return
    with _tar_member(name, head, member) as file:
        yield file


def _decompressed(raw: io.BufferedReader, head: bytes) -> IO[bytes]:
    if head[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw))
    if head[:3] == b"BZh":
        return bz2.open(raw)
    if head == b"\xfd7zXZ\x00":
        return lzma.open(raw)
    if head[:4] == _ZSTD:
        require_extra("parquet")
        import pyarrow as pa  # noqa: PLC0415 - 30 MB, for one of many kinds

        stream = pa.CompressedInputStream(pa.PythonFile(raw), "zstd")
        return io.BufferedReader(stream)
    return raw


@contextmanager
def _raw(name: str) -> Iterator[io.BufferedReader]:
    if name == "-":
        yield cast("io.BufferedReader", sys.stdin.buffer)
        return
    try:
        file = Path(name).expanduser().open("rb")
    except OSError as error:
        raise ArgumentError(f"{name} cannot be read: {error.strerror}.") from error
    with file:
        yield file


def _is_tar(file: IO[bytes]) -> bool:
    peek = getattr(file, "peek", None)
    try:
        return peek is not None and peek(512)[_USTAR] == b"ustar"
    except DAMAGE:
        return False


def _files(archive: zipfile.ZipFile) -> list[str]:
    return [info.filename for info in archive.infolist() if not info.is_dir()]


@contextmanager
def _tar_member(name: str, head: bytes, wanted: str) -> Iterator[IO[bytes]]:
    """Open a member of a tar, which is gone through twice: for its names, and for its bytes."""
    if name == "-":
        raise ArgumentError("A tar cannot be read from standard input: give its path.")
    try:
        with _raw(name) as raw, _opened_tar(_decompressed(raw, head)) as archive:
            files = [info.name for info in archive if info.isfile()]
        member = _chosen(files, wanted, name)
        with _raw(name) as raw, _opened_tar(_decompressed(raw, head)) as archive:
            info = next(info for info in archive if info.isfile() and info.name == member)
            file = archive.extractfile(info)
            assert file is not None
            yield file
    except tarfile.TarError as error:
        raise ArgumentError(f"{name} cannot be unpacked: {error}.") from error


def _opened_tar(file: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=file, mode="r|")


def _chosen(files: list[str], wanted: str, name: str) -> str:
    """Return the member of an archive that is wanted, or its only one with data."""
    if wanted:
        found = [file for file in files if wanted in {file, file.rpartition("/")[2]}]
        if len(found) == 1:
            return found[0]
        raise ArgumentError(f"{name} has no member {wanted!r}{did_you_mean(wanted, files)}")
    data = [f for f in files if not f.lower().endswith((".md", ".pdf")) and "README" not in f]
    # What macOS puts beside each file.
    data = [f for f in data if not f.startswith("__MACOSX/") and f.rpartition("/")[2][:1] != "."]
    if len(data) == 1:
        return data[0]
    shown = ", ".join(files[:10])
    raise ArgumentError(f"{name} has {len(files)} members; name one: {name}#MEMBER. It has {shown}")
