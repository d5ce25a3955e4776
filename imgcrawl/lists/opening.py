"""Open a list, compressed or not, as a stream of bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
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
_ZSTD = b"\x28\xb5\x2f\xfd"


def is_url(name: str) -> bool:
    """Return True if a list has to be downloaded first."""
    return name.startswith(("http://", "https://"))


def split_member(name: str) -> tuple[str, str]:
    """Split ``a.zip#b/c.json`` into archive and member; any other name has the member ""."""
    base, hash_, member = name.partition("#")
    return (base, member) if hash_ and base.lower().endswith(".zip") else (name, "")


@contextmanager
def open_list(name: str, member: str = "") -> Iterator[IO[bytes]]:
    """Open a list as decompressed bytes (gzip, bzip2, xz, zstd, a member of a zip).

    name: a path, or ``-`` for standard input; its first bytes tell the compression
    member: of a zip; by default its only file, README, .md and .pdf apart
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
                    file = stack.enter_context(archive.open(_member(archive, member, name)))
                except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                    raise ArgumentError(f"{name} cannot be unpacked: {error}.") from error
                yield file
        elif member:
            raise ArgumentError(f"{name} is no zip: it has no member {member!r}.")
        else:
            yield _decompressed(raw, head)


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


def _member(archive: zipfile.ZipFile, wanted: str, name: str) -> str:
    files = [info.filename for info in archive.infolist() if not info.is_dir()]
    if wanted:
        found = [file for file in files if wanted in {file, file.rpartition("/")[2]}]
        if len(found) == 1:
            return found[0]
        raise ArgumentError(f"{name} has no member {wanted!r}{did_you_mean(wanted, files)}")
    data = [f for f in files if not f.lower().endswith((".md", ".pdf")) and "README" not in f]
    if len(data) == 1:
        return data[0]
    shown = ", ".join(files[:10])
    raise ArgumentError(f"{name} has {len(files)} members; name one: {name}#MEMBER. It has {shown}")
