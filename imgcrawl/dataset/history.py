"""runs.csv: a row for each run into an OUT, of the last thousand; how the dataset came about."""

from __future__ import annotations

import csv
import io
import json
from collections import deque
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.written_whole import written_whole
from imgcrawl.records.exit_status import ExitStatus, describe_status
from imgcrawl.storage.directory import RUNS, open_plain
from imgcrawl.text.csv_cells import safe_cell, unescaped
from imgcrawl.text.redact import plain_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOST_RUNS = 1000  # rows; the oldest go first
RUNNING = "running"
KILLED = "killed"  # or it broke off without being able to say so
_LONGEST = 4 << 20  # bytes of a file of so many rows
MAX_ERROR = 500  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run. Times are UTC, ISO 8601; `new` to `bytes` count what it did, `all_` what is there.

    missing:            records that turned out missing in this run, or were tried again in vain
    missing_by_reason:  the same by reason: ``dns 3, not_found 12``
    changed:            asked for in another way than before
    relabelled:         stored before, and their source says otherwise of them now
    records_per_second: that ended, stored or missing
    """

    started_at: str
    ended_at: str = ""
    status: str = RUNNING
    exit_status: int | None = None
    spider: str = ""
    seconds: float | None = None
    new: int | None = None
    missing: int | None = None
    missing_by_reason: str = ""
    already_there: int | None = None
    changed: int | None = None
    relabelled: int | None = None
    withdrawn: int | None = None
    bytes: int | None = None
    records_per_second: float | None = None
    all_stored: int | None = None
    all_missing: int | None = None
    all_bytes: int | None = None
    error: str = ""

    @property
    def missing_share(self) -> float | None:
        """The share of what the dataset promises that is missing, from 0 to 1; None: unknown."""
        if self.all_stored is None or self.all_missing is None:
            return None
        return self.all_missing / max(1, self.all_stored + self.all_missing)

    @property
    def failed(self) -> bool:
        """Whether the run was killed, or stopped by a fault; one stopped by a signal was not."""
        if self.status == RUNNING:
            return False
        return self.exit_status in {None, ExitStatus.FAILED, ExitStatus.USAGE}


COLUMNS = tuple(each.name for each in fields(RunRow))
_INTEGERS = frozenset(each.name for each in fields(RunRow) if each.type == "int | None")
_FLOATS = frozenset(each.name for each in fields(RunRow) if each.type == "float | None")


def settled(rows: list[RunRow], *, running: bool) -> list[RunRow]:
    """Return the rows; the last is of a killed run if it is running still, and no run is."""
    if rows and rows[-1].status == RUNNING and not running:
        return [*rows[:-1], replace(rows[-1], status=KILLED)]
    return rows


def row_of_summary(summary: dict[str, Any]) -> RunRow:
    """Return the row of a run that ended, from its summary.json. Raises LookupError."""
    records, run = summary["records"], summary["this_run"]
    outcomes = dict(run["outcomes"])
    new = outcomes.pop("stored", 0)
    seconds = float(summary["seconds"])
    status = int(summary["exit_status"])
    return RunRow(
        started_at=summary["started_at"],
        ended_at=summary["ended_at"],
        status=describe_status(status),
        exit_status=status,
        spider=summary["spider"],
        seconds=seconds,
        new=new,
        missing=sum(outcomes.values()),
        missing_by_reason=by_reason(outcomes),
        already_there=run["already_there"],
        changed=run.get("changed"),
        relabelled=run.get("relabelled"),
        withdrawn=run.get("withdrawn"),
        bytes=run["bytes"],
        records_per_second=round((new + sum(outcomes.values())) / max(seconds, 0.001), 3),
        all_stored=records["stored"],
        all_missing=records["missing"],
        all_bytes=summary["bytes"],
        error=printable(plain_text(summary["error"] or ""), MAX_ERROR),
    )


def by_reason(outcomes: dict[str, int]) -> str:
    """Return counts by reason as a cell: ``dns 3, not_found 12``."""
    return ", ".join(f"{reason} {n}" for reason, n in sorted(outcomes.items()) if n)


def runs_csv(rows: Iterable[RunRow]) -> str:
    """Return the rows as the text of runs.csv."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([*map(safe_cell, asdict(row).values())] for row in rows)
    return text.getvalue()


def read_runs(root: Path) -> list[RunRow]:
    """Return the rows of an OUT's runs.csv, the oldest first; none without one.

    Raises OSError if it cannot be read, or is no plain file.
    """
    try:
        with open_plain(root / RUNS) as file:
            return parse_runs(file.read(_LONGEST))
    except FileNotFoundError:
        return []


def parse_runs(data: bytes) -> list[RunRow]:
    """Return the rows of the bytes of a runs.csv; what is no row of ours is left out."""
    rows: deque[RunRow] = deque(maxlen=MOST_RUNS)
    lines = io.StringIO(data.decode("utf-8", "replace"), newline="")
    try:
        for cells in csv.DictReader(lines):
            if (
                row := _row({name: unescaped(cells.get(name) or "") for name in COLUMNS})
            ) is not None:
                rows.append(row)
    except csv.Error:  # a cell without end; what came before it stands
        pass
    return list(rows)


def add_run(root: Path, row: RunRow) -> None:
    """Add a row to the runs.csv of a folder that has no ledger: that of shards, merged.

    Raises OSError.
    """
    rows = [*read_runs(root), row][-MOST_RUNS:]
    with written_whole(root / RUNS) as file:
        file.write(runs_csv(rows))


def to_json(rows: Iterable[RunRow]) -> str:
    """Return rows as the ledger keeps them."""
    return json.dumps([[*asdict(row).values()] for row in rows])


def from_json(text: str | None) -> list[RunRow]:
    """Return the rows that a ledger keeps; none if it keeps none, or something else."""
    try:
        kept = [dict(zip(COLUMNS, cells, strict=False)) for cells in json.loads(text or "[]")]
        rows = [_row({n: "" if v is None else str(v) for n, v in cells.items()}) for cells in kept]
    except (ValueError, TypeError, RecursionError):
        return []
    return [row for row in rows if row is not None]


def _row(cells: dict[str, str]) -> RunRow | None:
    values: dict[str, Any] = {}
    try:
        for name, cell in cells.items():
            if name in _INTEGERS:
                values[name] = int(cell) if cell else None
            elif name in _FLOATS:
                values[name] = float(cell) if cell else None
            else:
                values[name] = printable(cell, MAX_ERROR)
    except ValueError:
        return None
    return RunRow(**values) if values.get("started_at") else None
