"""metadata.parquet/: the table of a very large OUT once more, typed, in parts by record id.

Above a million rows a CSV takes minutes to be read. Programs that read Parquet (pandas, DuckDB,
Spark, datasets) take the folder as one table. At the end of a run only those parts are written
whose rows are other ones by now: each is made of a piece of metadata.csv, and the ledger keeps the
digest of that piece. Where a column has another type by now, all are.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.column_kinds import Kind, joined
from imgcrawl.dataset.metadata_table import TableIndex, line_of
from imgcrawl.dataset.typed_table import TypedTable
from imgcrawl.records.extras import is_installed
from imgcrawl.storage.directory import METADATA, TABLE_PARTS
from imgcrawl.text.csv_cells import LONGEST_CELL, unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)

FROM_ROWS = 1_000_000  # of metadata.csv
PART_ROWS = 250_000
_PIECE = 1 << 20  # bytes
_PART = re.compile(r"part-\d{5,}\.parquet")


@dataclass(slots=True)
class _Part:
    """A piece of metadata.csv, from byte `begin` to `end`.

    last:  the id that it ends with
    kinds: of the dataset's own columns in it, by name; empty until they are learnt
    """

    last: str
    begin: int
    end: int
    digest: str
    kinds: dict[str, Kind]


class _Piece:
    """The rows of a piece, as a `DatasetTable`."""

    def __init__(self, path: Path, columns: list[str], part: _Part) -> None:
        self.columns = columns
        self._path, self._part = path, part

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the cells of each row, as they were before they were made safe."""
        csv.field_size_limit(LONGEST_CELL)
        with self._path.open("rb") as file:
            file.seek(self._part.begin)
            text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
            for row in csv.reader(_until(text, self._part.end - self._part.begin)):
                yield dict(zip(self.columns, map(unescaped, row), strict=True))

    def mask_sha256(self, record_id: str, file_name: str) -> str | None:
        """Return None: the table does not have it."""
        return None


def _until(text: io.TextIOWrapper, n_bytes: int) -> Iterator[str]:
    """Yield the lines of so many bytes."""
    while n_bytes > 0:
        line = text.readline()
        n_bytes -= len(line.encode())
        yield line


def write_parts(out: OutputDirectory, ledger: Ledger) -> None:
    """Bring the parts in line with metadata.csv, if that is so long; remove them if it is not."""
    index = TableIndex.of(out, ledger)
    folder = out.root / TABLE_PARTS
    if folder.is_symlink():
        logger.warning("%s is a link, and is left alone: no parts are written.", folder)
        return
    if index is None or index.n_rows < FROM_ROWS:
        _remove(folder, set())
        return
    if not is_installed("parquet"):
        logger.info(
            "With pyarrow (pip install 'imgcrawl[parquet]') %s is written too.", TABLE_PARTS
        )
        return
    old = _kept(ledger)
    parts = _plan(out.root / METADATA, index, old)
    known = {part.digest: part.kinds for part in old}
    tables = []
    for part in parts:
        table = _Piece(out.root / METADATA, index.header, part)
        part.kinds = known.get(part.digest) or TypedTable(table).learnt
        tables.append(table)
    before, kinds = _joined(old), _joined(parts)
    for n, (part, table) in enumerate(zip(parts, tables, strict=True)):
        name = f"{TABLE_PARTS}/{_name(n)}"
        same = n < len(old) and old[n].digest == part.digest and before == kinds
        if not (same and (out.root / name).is_file()):
            typed = TypedTable(table, kinds)
            out.write_file(name, partial(typed.write, rows=typed.rows()))
    _remove(folder, {_name(n) for n in range(len(parts))})
    rows = [[p.last, p.begin, p.end, p.digest, p.kinds] for p in parts]
    ledger.set_state(TABLE_PARTS, json.dumps(rows))


def _name(number: int) -> str:
    return f"part-{number:05}.parquet"


def _remove(folder: Path, kept: set[str]) -> None:
    """Remove parts that a run wrote, and the folder if nothing is left: others' files stay."""
    if not folder.is_dir():
        return
    for path in folder.glob("part-*.parquet"):
        if path.name not in kept and _PART.fullmatch(path.name) and not path.is_dir():
            path.unlink()
    with suppress(OSError):  # it is not empty
        folder.rmdir()


def _kept(ledger: Ledger) -> list[_Part]:
    """Return the parts that the last run wrote."""
    with suppress(ValueError, TypeError, LookupError, AttributeError):
        return [
            _Part(last, begin, end, digest, {name: Kind(kind) for name, kind in kinds.items()})
            for last, begin, end, digest, kinds in json.loads(ledger.state(TABLE_PARTS) or "")
        ]
    return []


def _plan(path: Path, index: TableIndex, old: list[_Part]) -> list[_Part]:
    """Return the parts of a table: they end where they ended before, if they are not too long."""
    ends = {part.last for part in old}
    parts: list[_Part] = []
    begin, n_before = len(line_of(index.header)), 0
    for number, (last, end, n) in enumerate(index.segments, 1):
        rows = n - n_before
        is_end = last in ends if ends and rows < 2 * PART_ROWS else rows >= PART_ROWS
        if is_end or number == len(index.segments):
            parts.append(_Part(last, begin, end, _digest(path, begin, end), {}))
            begin, n_before = end, n
    return parts


def _digest(path: Path, begin: int, end: int) -> str:
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        file.seek(begin)
        while begin < end and (piece := file.read(min(_PIECE, end - begin))):
            digest.update(piece)
            begin += len(piece)
    return digest.hexdigest()


def _joined(parts: list[_Part]) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for part in parts:
        for name, kind in part.kinds.items():
            kinds[name] = joined(kinds.get(name, Kind.NONE), kind)
    return kinds
