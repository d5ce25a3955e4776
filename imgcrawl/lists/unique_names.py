"""Names that are given once, in constant memory."""

from __future__ import annotations

import sqlite3


class UniqueNames:
    """Makes a name that was given before another one, in the same way in every run.

    The names are in a temporary file of SQLite's own, beyond what its cache holds.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.execute("CREATE TABLE names (name TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def name(self, name: str) -> str:
        """The name itself the first time, ``name~2`` the second, and so on."""
        row = self._db.execute(
            "INSERT INTO names VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET n = n + 1 RETURNING n",
            (name.encode("utf-8", "backslashreplace").decode(),),
        ).fetchone()
        return name if row[0] == 1 else f"{name}~{row[0]}"

    def __contains__(self, name: str) -> bool:
        """Whether the name was given before."""
        query = "SELECT 1 FROM names WHERE name = ?"
        text = name.encode("utf-8", "backslashreplace").decode()
        return self._db.execute(query, (text,)).fetchone() is not None
