"""Rows of the ledger as objects: one of a record, one of a class that has a quota."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import OutputError
from imgcrawl.records.items import Item, Metadata, Missing, Result, Stored, from_json
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable, utf8

if TYPE_CHECKING:
    import sqlite3

STORED_COLUMNS = tuple(f.name for f in fields(Stored) if f.name not in {"url", "tries"})

RECORD_COLUMNS = (
    "record_id",
    "outcome",
    "url",
    "tries",
    "last_try_at",
    "http_status",
    "message",
    *STORED_COLUMNS,
    "path",
    "metadata",
    "item",
    "quota",
    "doubt",
    "outdated",
)


@dataclass(frozen=True, slots=True)
class Outdated:
    """Why a stored record still has the file that answered an earlier question.

    item:    the record as it is asked for by now, as JSON
    missing: what came of that
    """

    item: str
    missing: Missing

    def __str__(self) -> str:
        missing = self.missing
        return f"{missing.outcome}: {missing.message} ({missing.url or 'no address'})"

    @classmethod
    def from_json(cls, text: str) -> Outdated:
        """Return what `to_json` kept. Raises LookupError, TypeError or ValueError."""
        item, (outcome, *others) = json.loads(text)
        return cls(str(item), Missing(Outcome(outcome), *others))

    def to_json(self) -> str:
        """Return this as the ledger keeps it."""
        return json.dumps([self.item, astuple(self.missing)], separators=(",", ":"))


@dataclass(slots=True)
class LedgerEntry:
    """One row of the ledger.

    doubt:    why the file is to be fetched again (`scrapy verify --repair`); None if it is not
    outdated: set if the record is asked for in another way by now, and that file cannot be had
    mask:     its best mask, where it is read for a table; never kept
    """

    record_id: str
    result: Result
    last_try_at: str  # UTC, ISO 8601
    path: str
    metadata: Metadata
    item: str
    quota: str | None = None
    doubt: str | None = None
    outdated: Outdated | None = None
    mask: LedgerEntry | None = None

    @property
    def mask_of(self) -> str:
        """The id of the record that this one is a mask of; empty for any other."""
        # In a string of JSON its quotes would have backslashes.
        return self.to_item().mask_of if '"mask_of":"' in self.item else ""

    @property
    def shares_file(self) -> bool:
        """Whether it is one of several datasets of its file."""
        # Of most records it is told without reading the JSON.
        return '"dataset":"' in self.item and bool(getattr(self.to_item(), "dataset", ""))

    def has_file_of(self, other: LedgerEntry) -> bool:
        """Return whether both are stored, in the same file."""
        if not isinstance(self.result, Stored) or not isinstance(other.result, Stored):
            return False
        return self.result.file_name == other.result.file_name

    @classmethod
    def from_item(cls, item: Item, result: Result, now: str) -> LedgerEntry:
        """Return the entry of an item that has its result. now: UTC, ISO 8601."""
        kept = item.to_json()
        return cls(item.record_id, result, now, item.path, item.metadata, kept, item.quota)

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> LedgerEntry:
        """Return the entry that a row of the table ``records`` holds.

        Raises OutputError for a row that no run has written: a ledger may come from somebody else,
        and the files that it names are read, removed and put into object stores.
        """
        try:
            entry = _read_row(row)
            _require_inside(entry)
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            shown = printable(f"{row['record_id']!s}")
            raise OutputError(
                f"The ledger has a record {shown!r} that cannot be read ({printable(str(error))}). "
                "Move the ledger away to start anew, or choose another directory with -a out=DIR."
            ) from error
        return entry

    def to_item(self) -> Item:
        """Return the item as its spider made it, to try it again."""
        return from_json(self.record_id, self.item, self.metadata)

    def row(self) -> tuple[Any, ...]:
        """Return the values of RECORD_COLUMNS."""
        result = self.result
        if isinstance(result, Stored):
            status, message = None, None
            stored = [getattr(result, name) for name in STORED_COLUMNS]
        else:
            status, message = result.http_status, result.message
            came = {"sha256": result.sha256, "final_url": result.final_url}
            stored = [came.get(name) for name in STORED_COLUMNS]
        row = (
            self.record_id,
            str(result.outcome),
            result.url,
            result.tries,
            self.last_try_at,
            status,
            message,
            *stored,
            self.path,
            json.dumps(self.metadata, separators=(",", ":")),
            self.item,
            self.quota,
            self.doubt,
            self.outdated.to_json() if self.outdated else None,
        )
        return tuple(
            utf8(cell) if isinstance(cell, str) and not cell.isascii() else cell for cell in row
        )


def _require_inside(entry: LedgerEntry) -> None:
    """Raise ValueError if the path or file name of a stored record leads out of OUT.

    A missing record may have any path: it is its source's, and made safe before it is used.
    """
    if isinstance(entry.result, Stored):
        for name in (entry.path, entry.result.file_name):
            if name and (name[0] == "/" or (".." in name and ".." in name.split("/"))):
                raise ValueError(f"{name} leads out of its folder")
    if not isinstance(entry.metadata, dict):
        raise TypeError("its columns are no table")


def _read_row(found: sqlite3.Row) -> LedgerEntry:
    # A row looks a name up from its first column on, each time.
    row = dict(zip(found.keys(), found, strict=True))
    result: Result
    if row["outcome"] == Outcome.STORED:
        stored = {name: row[name] for name in STORED_COLUMNS}
        result = Stored(url=row["url"], tries=row["tries"], **stored)
    else:
        result = Missing(
            Outcome(row["outcome"]),
            row["message"],
            row["url"],
            row["http_status"],
            row["tries"],
            row["sha256"],
            row["final_url"],
        )
    return LedgerEntry(
        record_id=row["record_id"],
        result=result,
        last_try_at=row["last_try_at"],
        path=row["path"],
        metadata=json.loads(row["metadata"]),
        item=row["item"],
        quota=row["quota"],
        doubt=row["doubt"],
        outdated=Outdated.from_json(row["outdated"]) if row["outdated"] else None,
    )


@dataclass(frozen=True, slots=True)
class ClassCount:
    """A class that has a quota: the records wanted of it, and the outcomes of its candidates."""

    key: str
    label: str
    wanted: int
    stored: int
    listed: int | None  # candidates in its list; None if unknown
    missing: dict[str, int]  # by reason
    note: str

    @property
    def short(self) -> int:
        """Number of records that are still wanted."""
        return max(0, self.wanted - self.stored)
