"""Read records in JSON of any size: arrays in an object, one array, or one record per line.

Records are decoded with the standard library's C scanner, some hundred kilobytes of them at once
where that can be, else one at a time: memory stays constant, and a broken record spoils nothing
after it, which no event parser can do.
"""

from __future__ import annotations

import json
import re
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.lists.json_batch import JsonBatch
from imgcrawl.lists.json_shapes import Member, element_row, names_columns, rows_of_object
from imgcrawl.lists.lines import say_replaced
from imgcrawl.lists.opening import DAMAGE
from imgcrawl.lists.rows import MalformedRow, Row, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 18
MAX_RECORD = 1 << 20  # characters; a longer one is malformed
_HEAD = 64 << 10  # characters, to distinguish lines from a document
MAX_VALUE = 64 << 20  # characters of a value that is no array of records, such as a COCO `info`

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[\s,]*")
# Where the next record may begin, after one that cannot be read. The quantifiers are possessive: a
# long stretch of blanks is scanned once.
_NEXT = re.compile(r"\{(?=\s*+\")|(?<=\})\s*+(?=\])")


def read_json(file: IO[bytes], *, script: bool = False) -> Iterator[Row | MalformedRow]:
    """Yield every record of every array, with the name of its array as `table`.

    What the top object may be is in `json_shapes`. Of one with tables, values that are no arrays
    are rows of one field, in the table ``""``. Records are numbered from 1 in each table.

    script: whether the list is a value in a script, which may end it as scripts do: ``);``
    """
    return _Reader(file, script=script).read()


class _Reader:
    """A position in decoded text; the text before it is dropped."""

    def __init__(self, file: IO[bytes], *, script: bool) -> None:
        self._script = script
        self._file = file
        self._text = ""
        self._at = 0
        self._passed = 0  # characters that were dropped
        self._ended = False
        self._rest = b""
        self._damage = ""

    def read(self) -> Iterator[Row | MalformedRow]:
        """Yield all rows."""
        if self._peek() == "\ufeff":
            self._at += 1
        first = self._peek()
        if not self._is_document(first):
            yield from self._rows("")
        else:
            self._at += 1
            yield from self._rows("]") if first == "[" else rows_of_object(self._members())
            while self._script and self._peek() in {")", ";"}:
                self._at += 1
            if self._peek():
                yield self._malformed(0, "more text behind the end of the list")
        if self._damage:
            yield MalformedRow(
                0, f"character {self._position():,}", f"the file is damaged: {self._damage}"
            )

    def _is_document(self, first: str) -> bool:
        """Return True if the top value is the whole list: no other one of its kind follows it.

        first: its first character
        """
        while len(self._text) - self._at < _HEAD and self._more():
            pass
        # One record a line: the first line may be long.
        while "\n" not in self._text and len(self._text) < MAX_RECORD and self._more():
            pass
        head = self._text[self._at :]
        try:
            _, end = _DECODER.raw_decode(head)
        except (ValueError, RecursionError):
            # Longer than the head, as documents are, or broken: the next line decides.
            line, _, rest = head.partition("\n")
            end_of = "}" if first == "{" else "]"
            return not (line.rstrip().endswith(end_of) and rest.lstrip().startswith(first))
        return not head[end:].lstrip(" \t\r\n,").startswith(first)

    def _members(self) -> Iterator[Member | MalformedRow]:
        while (char := self._peek()) not in {"}", ""}:
            if char != '"':
                yield self._malformed(0, "no name of a table")
                if not self._resync():
                    return
                continue
            try:
                name, end = _DECODER.raw_decode(self._text, self._at)
            except ValueError:
                yield self._malformed(0, "no name of a table")
                return
            self._at = end
            if self._peek() != ":":
                yield self._malformed(0, "no value of a table")
                return
            self._at += 1
            if self._peek() == "[":
                self._at += 1
                for number, value in self._array(name):
                    yield value if isinstance(value, MalformedRow) else Member(name, number, *value)
            else:
                value = self._value(MAX_VALUE)
                if isinstance(value, MalformedRow):
                    yield value
                    return
                yield Member(name, 0, value[0])
        self._at += 1  # past the brace

    def _rows(self, closing: str) -> Iterator[Row | MalformedRow]:
        """Yield the elements of the top array, or what stands line by line."""
        header: list[str] = []
        for number, value in self._array("", closing):
            if isinstance(value, MalformedRow):
                yield value
            elif number == 1 and names_columns(value[0]):
                header = [str(name) for name in value[0]]
            else:
                yield element_row(number, value[0], "", header)

    def _array(
        self, table: str, closing: str = "]"
    ) -> Iterator[tuple[int, tuple[Any] | MalformedRow]]:
        number, passed, end = 0, 0, -1  # where the last element ends, if that is in this text
        batch = JsonBatch(lines=not closing)
        while (char := self._peek()) != "":
            if char == closing:
                self._at += 1
                return
            if end >= 0 and passed == self._passed:
                batch.learn(self._text, end, self._at)
            end = -1
            values, self._at = batch.decode(self._text, self._at, self._passed)
            for value in values:
                number += 1
                yield number, (value,)
            if values:
                continue
            number += 1
            found = self._value(MAX_RECORD, number)
            yield number, found
            if not isinstance(found, MalformedRow):
                end, passed = self._at, self._passed
            elif not self._resync():
                return
        if closing:
            where = f"after {table or 'record'} {number}"
            yield number + 1, MalformedRow(number + 1, where, "the file ends here, cut")

    def _value(self, limit: int, number: int = 0) -> tuple[Any] | MalformedRow:
        """Decode the next value and move past it; return it in a tuple, or a MalformedRow."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                have = len(self._text) - self._at
                # Twice as much each time: a long value is not decoded again for each chunk.
                if have < limit and self._may_be_cut(error) and self._more(size=max(CHUNK, have)):
                    continue
                return self._malformed(number, f"broken JSON ({getattr(error, 'msg', error)})")
            if end == len(self._text) and not isinstance(value, (dict, list, str)) and self._more():
                continue  # a number may continue
            self._at = end
            return (value,)

    def _may_be_cut(self, error: Exception) -> bool:
        """Return True if an error may be due to missing text: it is at the end of the text."""
        position = getattr(error, "pos", 0)
        unterminated = "Unterminated" in getattr(error, "msg", "")
        return unterminated or position >= len(self._text) - 16

    def _resync(self) -> bool:
        """Move to where the next record may begin; return False at the end."""
        self._at += 1
        while True:
            match = _NEXT.search(self._text, self._at)
            if match and match.end() < len(self._text):
                self._at = match.end() if not match[0].startswith("{") else match.start()
                return True
            keep = max(self._at, len(self._text) - 1024)
            if not self._more(keep):
                self._at = len(self._text)
                return False

    def _peek(self) -> str:
        """Move to the next character that is no blank or comma and return it; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self, keep: int | None = None, size: int = 0) -> bool:
        """Read `size` bytes more, or a chunk; return False at the end."""
        if self._ended:
            return False
        start = self._at if keep is None else keep
        try:
            raw = self._file.read(size or CHUNK)
        except DAMAGE as error:
            raw, self._damage = b"", str(error) or type(error).__name__
        data = self._rest + raw
        self._ended = not raw
        cut = len(data) if self._ended else _complete_length(data)
        self._rest = data[cut:]
        self._passed += start
        text = data[:cut].decode("utf-8", "replace")
        if "\ufffd" in text and b"\xef\xbf\xbd" not in data:
            say_replaced()
        self._text = self._text[start:] + text
        self._at = 0 if keep is None else max(self._at - start, 0)
        return not self._ended or bool(data)

    def _malformed(self, number: int, problem: str) -> MalformedRow:
        where = f"record {number}, " if number else ""
        text = excerpt(self._text[self._at : self._at + 200])
        return MalformedRow(number, f"{where}character {self._position():,}", problem, text)

    def _position(self) -> int:
        return self._passed + self._at


def _complete_length(data: bytes) -> int:
    """Return the length in bytes without an incomplete UTF-8 character at the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            return len(data) - back
        if byte < 0x80:
            break
    return len(data)
