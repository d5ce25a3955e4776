"""Read any list as rows; its first bytes tell its format."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.lists.addresses import looks_like_url
from imgcrawl.lists.delimited import read_text
from imgcrawl.lists.json_records import read_json
from imgcrawl.lists.opening import DAMAGE, open_list
from imgcrawl.lists.parquet import read_parquet
from imgcrawl.lists.python_records import is_python, read_python
from imgcrawl.lists.recoding import recoded
from imgcrawl.lists.rows import MalformedRow, Row, excerpt
from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = 8 << 10
# JSON within a script: JSONP's callback({...}); with the remark that guards it, var images = [...];
# and what Google and others put before an answer so that no script can read it.
_SCRIPT = re.compile(
    rb"(/\*[^*]{0,200}\*/\s*)?"
    rb"((export\s+default|((var|let|const)\s+)?[A-Za-z_$][\w$.\[\]'\"]{0,200}\s*[=(])\s*"
    rb"|\)\]\}',?\s*|(while\s*\(1\)|for\s*\(;;\))\s*;\s*)(?=[\[{]\s*[\[{\]}\"])"
)


@contextmanager
def open_rows(
    name: str, member: str = "", encoding: str = ""
) -> Iterator[Iterator[Row | MalformedRow]]:
    """Open a list, a path or ``-``, as an iterator of its rows; see `open_list`.

    encoding: of its text, if it is neither UTF-8 nor UTF-16
    Text with one URL per line gives the column ``url``. Raises ArgumentError if it is no list.
    """
    with ExitStack() as stack:
        file = stack.enter_context(open_list(name, member))
        head = _peek(file)
        if head.startswith(b"PAR1"):
            yield read_parquet(_seekable(file, stack), name)
            return
        file = recoded(file, head, encoding)
        text = _peek(file).lstrip(b"\xef\xbb\xbf \t\r\n")
        if not text:
            raise ArgumentError(f"{name} is empty.")
        if text[:1] == b"<" and not looks_like_url(text[:200].decode("latin-1")):
            raise ArgumentError(f"{name} is a web page, not a list: {excerpt(text)}")
        yield _until_damage(_rows(file, text), name)


def _rows(file: IO[bytes], text: bytes) -> Iterator[Row | MalformedRow]:
    if script := _SCRIPT.match(text):
        file.read(_peek(file).index(text) + script.end())
        return read_json(file, script=True)
    if is_python(text):
        return read_python(file)
    return read_json(file) if text[:1] in {b"{", b"["} else read_text(file)


def _until_damage(rows: Iterator[Row | MalformedRow], name: str) -> Iterator[Row | MalformedRow]:
    """Yield rows; where a compressed file is damaged, a MalformedRow is the last one."""
    number = 0
    try:
        for row in rows:
            number = row.number
            yield row
    except DAMAGE as error:
        problem = f"{name} is damaged from here on ({str(error) or type(error).__name__})"
        yield MalformedRow(number + 1, f"after row {number}", problem)


def _peek(file: IO[bytes]) -> bytes:
    peek: Any = getattr(file, "peek", None)
    if peek is None:  # bz2 and lzma have it, members of a zip too
        raise TypeError(f"{type(file).__name__} cannot be looked into")
    try:
        head: bytes = peek(HEAD)
    except DAMAGE as error:
        raise ArgumentError(f"The list cannot be decompressed: {error}") from error
    return head[:HEAD]


def _seekable(file: IO[bytes], stack: ExitStack) -> IO[bytes]:
    if isinstance(getattr(file, "raw", None), io.FileIO) and file.seekable():
        return file
    spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    shutil.copyfileobj(file, spool)
    spool.seek(0)
    return spool
