"""The tables of the ledger, and the upgrade of a file of an earlier version."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from imgcrawl.dataset.entries import STORED_COLUMNS
from imgcrawl.records.errors import OutputError
from imgcrawl.storage.read_only import changed_meanwhile, read_marks
from imgcrawl.text.signed_urls import address_id

SCHEMA_VERSION = 5
_TURNS = 5  # of a copy, where the file is written to meanwhile
_PATIENCE = 5.0  # seconds that another program may hold a ledger that is to be opened

_SCHEMA = f"""
CREATE TABLE records (
    record_id TEXT PRIMARY KEY,
    outcome TEXT NOT NULL,
    url TEXT,
    tries INTEGER NOT NULL,
    last_try_at TEXT NOT NULL,
    http_status INTEGER,
    message TEXT,
    {", ".join(STORED_COLUMNS)},
    path TEXT NOT NULL,      -- the final name without its extension: one record each
    metadata TEXT NOT NULL,  -- JSON object
    item TEXT NOT NULL,      -- JSON: what a new try needs
    quota TEXT,              -- the class that it is a candidate of
    doubt TEXT,              -- why its file is to be fetched again
    outdated TEXT            -- JSON: how it is asked for by now, and why that cannot be had
) WITHOUT ROWID;
CREATE INDEX records_outcome ON records (outcome);
CREATE INDEX records_path ON records (path);
CREATE TABLE bookmarks (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE columns (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
# What was sent of a record's URL: `without_fragment`, as SQLite says it.
SENT_URL = (
    "CASE WHEN lower(substr(url, 1, 4)) = 'http'"
    " THEN substr(url, 1, instr(url || '#', '#') - 1) ELSE url END"
)
# Of a URL that stands in a list ten thousand times, the answer to look at is the last here.
_BY_URL = f"""
CREATE INDEX IF NOT EXISTS records_sent_url
    ON records ({SENT_URL}, outcome = 'stored', last_try_at) WHERE url IS NOT NULL;
"""
_SINCE_2 = """
CREATE INDEX records_quota ON records (quota) WHERE quota IS NOT NULL;
CREATE INDEX records_sha256 ON records (sha256) WHERE sha256 IS NOT NULL;
CREATE TABLE quotas (
    key TEXT PRIMARY KEY, label TEXT, wanted INTEGER NOT NULL, listed INTEGER, note TEXT
) WITHOUT ROWID;
CREATE TABLE unreadable (place TEXT PRIMARY KEY, problem TEXT NOT NULL, seen_at TEXT NOT NULL)
    WITHOUT ROWID;
CREATE TABLE captures (url TEXT PRIMARY KEY, answer TEXT NOT NULL, asked_at TEXT NOT NULL)
    WITHOUT ROWID;
"""
# A source says otherwise of a record than before; in the order that it was seen.
_SINCE_5 = """
CREATE TABLE changes (
    number INTEGER PRIMARY KEY, record_id TEXT NOT NULL, name TEXT NOT NULL, before TEXT NOT NULL,
    after TEXT NOT NULL, seen_at TEXT NOT NULL
);
CREATE INDEX changes_record ON changes (record_id);
"""
# Records of lists without ids had the number of their line for one, which another list, or the
# same with a line more, gives to another record. Files keep their names.
_NAME_BY_ADDRESS = """
CREATE TEMP TABLE renamed AS
    SELECT record_id AS old, address_id(json_extract(item, '$.urls[0]')) AS new FROM records
    WHERE path = printf('images/%05d/%s', CAST(record_id AS INTEGER) / 10000, record_id)
        AND record_id GLOB '[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]*'
        AND json_valid(item) AND json_type(item, '$.urls[0]') = 'text';
UPDATE records SET record_id = n.name FROM (
    SELECT old, new || CASE row_number() OVER same WHEN 1 THEN '' ELSE '~' || row_number() OVER same
    END AS name FROM renamed WINDOW same AS (PARTITION BY new ORDER BY old)
) AS n WHERE record_id = n.old;
DROP TABLE renamed;
"""
# What makes of a ledger of each version one of the next.
_UPGRADES = {
    1: f"ALTER TABLE records ADD COLUMN quota TEXT; {_SINCE_2}",
    2: "ALTER TABLE records ADD COLUMN doubt TEXT;",
    3: f"ALTER TABLE records ADD COLUMN outdated TEXT; {_NAME_BY_ADDRESS}"
    f" DROP INDEX IF EXISTS records_url; {_BY_URL}",
    4: _SINCE_5,
}
_TABLES = frozenset(re.findall(r"CREATE TABLE (\w+)", _SCHEMA + _SINCE_2 + _SINCE_5))


def connect(path: Path) -> sqlite3.Connection:
    """Open a ledger's file; create it if it is missing, upgrade it if it is of an earlier version.

    Raises OutputError for a ledger of a later version or with foreign tables, and
    sqlite3.DatabaseError for another kind of file.
    """
    if not _is_writable(path):
        return _connect_read_only(path)
    db = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA trusted_schema=OFF")  # the file may have come from others
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        made = f"{_SCHEMA} {_SINCE_2} {_BY_URL} {_SINCE_5} PRAGMA user_version={SCHEMA_VERSION};"
        db.executescript(f"BEGIN; {made} COMMIT;")
    elif 0 < version < SCHEMA_VERSION:
        db.create_function("address_id", 1, address_id, deterministic=True)
        steps = " ".join(_UPGRADES[old] for old in range(version, SCHEMA_VERSION))
        db.executescript(f"BEGIN; {steps} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    elif version != SCHEMA_VERSION:
        db.close()
        raise OutputError(
            f"{path} has schema {version}, this imgcrawl knows {SCHEMA_VERSION}. "
            "Use the imgcrawl that wrote it, or a later one."
        )
    _require_own(db, path)
    # Whoever holds it now may hold it for good: better said here than in the middle of a run.
    db.execute("BEGIN IMMEDIATE")
    db.execute("COMMIT")
    db.execute("PRAGMA busy_timeout=30000")  # milliseconds
    return db


def _is_writable(path: Path) -> bool:
    """Return whether a ledger, and the files that SQLite makes beside it, can be written."""
    return os.access(path if path.exists() else path.parent, os.W_OK) and os.access(
        path.parent, os.W_OK
    )


class _ReadOnly(sqlite3.Connection):
    """A ledger that may only be read. marks: of its files, where SQLite's locks do not hold it."""

    marks: list[tuple[int, int, int] | None] | None = None


def close(db: sqlite3.Connection, path: Path) -> None:
    """Close a ledger, and leave no journal beside it.

    Raises OutputError if it was read without locks, and written to meanwhile.
    """
    with closing(db):
        if not isinstance(db, _ReadOnly):
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        elif db.marks is not None and db.marks != read_marks(path.parent):
            raise changed_meanwhile(str(path.parent))


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a ledger on read-only media, or somebody else's; by a copy where it has to be changed.

    That is where a run that was killed has left a journal, or the ledger is of an earlier version.
    """
    journal = path.with_name(f"{path.name}-wal")
    place = f"{path.absolute().as_uri()}?mode=ro"
    if journal.is_file() and journal.stat().st_size:
        return _with_locks(place, path) or _copy_of(path, journal)
    marks = read_marks(path.parent)
    db = sqlite3.connect(f"{place}&immutable=1", uri=True, factory=_ReadOnly)
    if db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        db.close()
        return _copy_of(path, journal)
    db.marks = marks
    return _prepared(db, path)


def _with_locks(place: str, path: Path) -> sqlite3.Connection | None:
    """Open a ledger that its writer's files beside it lock; None if they may not be read."""
    db = sqlite3.connect(place, uri=True, factory=_ReadOnly)
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
            return _prepared(db, path)
    except sqlite3.OperationalError:
        pass
    db.close()
    return None


def _copy_of(path: Path, journal: Path) -> sqlite3.Connection:
    """Open a copy of a ledger. Raises OutputError if it is written to all the time."""
    with tempfile.TemporaryDirectory() as room:
        copy = Path(room, path.name)
        for _ in range(_TURNS):
            marks = read_marks(path.parent)
            for file in (path, journal):
                copy.with_name(file.name).unlink(missing_ok=True)
                with suppress(FileNotFoundError):
                    shutil.copyfile(file, copy.with_name(file.name))
            if marks == read_marks(path.parent):
                break
        else:
            raise changed_meanwhile(str(path.parent))
        with closing(connect(copy)) as whole:
            memory = sqlite3.connect("")  # a file without a name
            whole.backup(memory)
    return _prepared(memory, path)


def _prepared(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    db.isolation_level, db.row_factory = None, sqlite3.Row
    db.execute("PRAGMA trusted_schema=OFF")
    _require_own(db, path)
    return db


def describe_error(path: Path, error: sqlite3.DatabaseError) -> str:
    """Return what an error of SQLite says of a ledger that cannot be opened, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return (
            f"{path} is held by another program ({error}). Nothing is lost: close it there, or "
            "wait until it is done, and run the same command again."
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return (
            f"{path} is damaged ({error}). Keep it: `sqlite3 {path} .recover` reads what can be "
            "read of it, and a copy of it from before goes on from there."
        )
    if isinstance(error, sqlite3.OperationalError):
        return (
            f"{path} cannot be read or written ({error}): its disk is full, broken, read-only "
            "or gone. Nothing in it was changed; run the same command again once that is mended."
        )
    return (
        f"{path} is not a ledger of imgcrawl ({error}). Move it away to start anew, "
        "or choose another directory with -a out=DIR."
    )


def _require_own(db: sqlite3.Connection, path: Path) -> None:
    """Raise OutputError unless a ledger holds the tables made above and nothing else.

    A view or a trigger in the place of a table is a program of the file's author.
    """
    found = dict(db.execute("SELECT name, type FROM sqlite_schema WHERE type != 'index'"))
    if found != dict.fromkeys(_TABLES, "table"):
        odd = min(set(found) ^ _TABLES, default="") or min(n for n in found if found[n] != "table")
        db.close()
        raise OutputError(
            f"{path} is not a ledger of imgcrawl ({odd!r} is not as it makes it). Move it away to "
            "start anew, or choose another directory with -a out=DIR."
        )
