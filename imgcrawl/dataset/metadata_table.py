"""metadata.csv: appended to during a run, and put in order at its end at the cost of what is new.

The table is in the order of its record ids, in segments of some thousand rows, of which the ledger
knows where each ends. At the end of a run a segment without a changed record is copied as it is; in
the others, and behind the last, the rows of changed records are put in: those that were appended as
they stand, the rest from the ledger. The rows are those that `write_metadata` would write, byte for
byte, and in its order, but for which of several come first to show loaders the type of a column.
Where that cannot be sure (a column is new, the table was edited, a type is shown too late) it is
written anew.
"""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING

import imgcrawl
from imgcrawl.dataset.column_kinds import Kind
from imgcrawl.dataset.record_columns import FIXED_COLUMNS, MASK, metadata_row, table_columns
from imgcrawl.dataset.samples import samples
from imgcrawl.dataset.typed_rows import PIECE, ColumnTypes, write_rows
from imgcrawl.records.items import Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import METADATA
from imgcrawl.text.csv_cells import LONGEST_CELL, unescaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

SEGMENT = 5000  # rows
_PIECE_BYTES = 1 << 20
_STATE = METADATA  # of the ledger: the index
_ID = FIXED_COLUMNS.index("record_id")


class _LateTypeError(Exception):
    """A row that shows the type of a column comes too late for a loader: it must come first."""


@dataclass(slots=True)
class TableIndex:
    """Where the segments of a table end.

    start:    where the rows begin that are in the order of their ids
    first:    the ids of those before them, which show the type of a column to loaders
    size, mtime: of the file, in bytes and nanoseconds: another one was written by somebody else
    kinds:    of the columns whose type is not that of text, by number
    segments: the id that each ends with, and the byte and the number of rows (those of `first` not
              counted) behind it
    """

    header: list[str]
    start: int = 0
    version: str = imgcrawl.__version__
    size: int = 0
    mtime: int = 0
    kinds: dict[int, Kind] = field(default_factory=dict)
    first: list[str] = field(default_factory=list)
    segments: list[tuple[str, int, int]] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        """The number of rows, but for those of `first`."""
        return self.segments[-1][2] if self.segments else 0

    def has_all_rows(self, ledger: Ledger) -> bool:
        """Return whether there are as many rows as stored records, none of which is a mask."""
        return self.n_rows + len(self.first) == ledger.counts().get(Outcome.STORED, 0)

    def end_segment(self, last: str, end: int, n: int) -> None:
        """Add a segment, unless it has no rows."""
        if n > self.n_rows:
            self.segments.append((last, end, n))

    def save(self, out: OutputDirectory, ledger: Ledger) -> None:
        """Keep the index of the file that has just been written, all of whose rows are known."""
        found = (out.root / METADATA).stat()
        self.size, self.mtime = found.st_size, found.st_mtime_ns
        ledger.set_state(_STATE, json.dumps(asdict(self)))
        ledger.forget_touched()

    @classmethod
    def of(cls, out: OutputDirectory, ledger: Ledger) -> TableIndex | None:
        """Return the index of the file that is there, or None."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads(ledger.state(_STATE) or "")
            kept["kinds"] = {int(n): Kind(kind) for n, kind in kept["kinds"].items()}
            kept["segments"] = [(str(last), int(end), int(n)) for last, end, n in kept["segments"]]
            index = cls(**kept)
            found = (out.root / METADATA).stat()
            if (index.size, index.mtime) == (found.st_size, found.st_mtime_ns):
                return index
        return None

    def fits(self, header: list[str]) -> bool:
        """Return whether rows of today belong into the table."""
        return self.header == header and self.version == imgcrawl.__version__


def header_of(ledger: Ledger) -> list[str]:
    """Return the columns of metadata.csv."""
    return [*FIXED_COLUMNS, *table_columns(ledger)]


def line_of(cells: Iterable[str]) -> bytes:
    """Return a row as it stands in the file."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode("utf-8", "backslashreplace")


def write_metadata(out: OutputDirectory, ledger: Ledger) -> None:
    """Write metadata.csv anew from the ledger."""
    header = header_of(ledger)
    columns = header[len(FIXED_COLUMNS) :]
    index = TableIndex(header)

    def write(file: IO[str]) -> None:
        found = write_rows(file, header, partial(rows, file), len(FIXED_COLUMNS))
        index.kinds, first = found
        index.first = ids = [unescaped(cells[_ID]) for cells in first]
        segments, index.segments = index.segments, []
        for last, end, n in segments:
            index.end_segment(last, end, n - sum(first <= last for first in ids))

    def rows(file: IO[str]) -> Iterator[list[str]]:
        # Those that come first, if any, are there already.
        index.start = file.tell()
        index.segments.clear()
        n, last = 0, ""
        for n, entry in enumerate(samples(ledger)):
            if n and n % SEGMENT == 0:
                index.end_segment(last, file.tell(), n)
            yield metadata_row(entry, columns)
            last = entry.record_id
        if last:
            index.end_segment(last, file.tell(), n + 1)

    out.write(METADATA, write)
    index.save(out, ledger)


def finish_metadata(out: OutputDirectory, ledger: Ledger, index: TableIndex | None) -> None:
    """Put metadata.csv in order at the end of a run.

    index: of the table before this run appended to it; None if it is not known
    """
    if index is None or not index.fits(header_of(ledger)) or MASK in index.header:
        write_metadata(out, ledger)
        return
    if not ledger.is_touched():
        if not index.has_all_rows(ledger):  # one of a version that could leave rows behind
            write_metadata(out, ledger)
        return
    if any(ledger.is_touched(record_id) for record_id in index.first):
        write_metadata(out, ledger)
        return
    new = TableIndex(index.header, index.start, kinds=dict(index.kinds), first=index.first)
    try:
        out.write_file(METADATA, _OrderedTable(out, ledger, index, new).write)
    except (_LateTypeError, FileNotFoundError, LookupError, ValueError):
        write_metadata(out, ledger)  # or somebody has changed the table meanwhile
        return
    if new.has_all_rows(ledger):
        new.save(out, ledger)
    else:  # somebody has changed the ledger
        write_metadata(out, ledger)


class _OrderedTable:
    """What becomes of a table: the segments of the old one, with changed and new rows put in."""

    def __init__(
        self, out: OutputDirectory, ledger: Ledger, old: TableIndex, new: TableIndex
    ) -> None:
        self._path = out.root / METADATA
        self._ledger = ledger
        self._old, self._new = old, new
        self._columns = old.header[len(FIXED_COLUMNS) :]
        self._types = ColumnTypes.of(new.kinds)
        self._n, self._last = 0, ""  # the rows that are written, and the id of the last one put in
        self._is_early = False  # whether a row among the first is another one by now

    def write(self, path: Path) -> None:
        """Write the new table to a path. Raises _LateTypeError."""
        csv.field_size_limit(LONGEST_CELL)
        begin, before, n_before = 0, "", 0
        with self._path.open("rb", buffering=0) as source, path.open("wb") as sink:
            _copy(source, sink, 0, self._old.start)
            begin = self._old.start
            for last, end, n in self._old.segments:
                touched = [*self._ledger.touched(before, last)]
                if touched:
                    self._merge(source, sink, (begin, end), touched)
                else:
                    _copy(source, sink, begin, end)
                    self._n += n - n_before
                self._new.end_segment(last, sink.tell(), self._n)
                begin, before, n_before = end, last, n
            self._merge(source, sink, (begin, begin), self._ledger.touched(before))
            self._new.end_segment(self._last, sink.tell(), self._n)
        self._new.kinds = self._types.open
        if self._is_early and self._n > PIECE:
            self._look_at_the_first(path)

    def _look_at_the_first(self, path: Path) -> None:
        """Raise _LateTypeError unless the first rows show the types of all columns."""
        types = ColumnTypes(len(FIXED_COLUMNS), len(self._old.header))
        with path.open(encoding="utf-8", newline="") as file:
            for cells in islice(csv.reader(file), 1, PIECE + len(self._old.first) + 1):
                types.learn(cells)
        if types.open != self._types.open:
            raise _LateTypeError

    def _merge(
        self,
        source: IO[bytes],
        sink: IO[bytes],
        segment: tuple[int, int],
        touched: Iterable[tuple[str, int | None, int]],
    ) -> None:
        """Write the rows of a segment, those of touched records as they are by now."""
        kept = self._rows(source, *segment)
        row = next(kept, None)
        for record_id, at, length in touched:
            while row is not None and row[0] < record_id.encode():
                self._put(sink, row[0].decode(), line_of(row[1]))
                row = next(kept, None)
            if row is not None and row[0] == record_id.encode():
                row = next(kept, None)
            self._is_early |= self._n < PIECE
            line = self._line(source, record_id, at, length)
            if line is not None:
                self._put(sink, record_id, line)
        while row is not None:
            self._put(sink, row[0].decode(), line_of(row[1]))
            row = next(kept, None)

    def _put(self, sink: IO[bytes], record_id: str, line: bytes) -> None:
        sink.write(line)
        self._n += 1
        self._last = record_id
        if self._n - self._new.n_rows >= SEGMENT:
            self._new.end_segment(record_id, sink.tell(), self._n)

    def _line(self, source: IO[bytes], record_id: str, at: int | None, length: int) -> bytes | None:
        """Return the row of a record as it is by now; None if it has none."""
        if at is not None:
            text = _read(source, at, length)
            cells, line = next(csv.reader([text]), []), text.encode()
        else:
            entry = self._ledger.get(record_id)
            if entry is None or not isinstance(entry.result, Stored) or entry.mask_of:
                return None
            cells = metadata_row(entry, self._columns)
            line = line_of(cells)
        if self._types.learn(cells) and self._n >= PIECE:
            raise _LateTypeError
        return line

    @staticmethod
    def _rows(source: IO[bytes], begin: int, end: int) -> Iterator[tuple[bytes, list[str]]]:
        """Yield the key and the cells of each row of a segment."""
        for cells in csv.reader(io.StringIO(_read(source, begin, end - begin), newline="")):
            yield unescaped(cells[_ID]).encode(), cells


def _copy(source: IO[bytes], sink: IO[bytes], begin: int, end: int) -> None:
    """Copy bytes of one file to the end of another. Raises ValueError if there are fewer."""
    source.seek(begin)
    while begin < end:
        piece = source.read(min(end - begin, _PIECE_BYTES))
        if not piece:
            raise ValueError("the table was cut while a run appended to it")
        sink.write(piece)
        begin += len(piece)


def _read(source: IO[bytes], at: int, length: int) -> str:
    source.seek(at)
    return source.read(length).decode("utf-8", "replace")
