"""Make names unique, in constant memory."""

from __future__ import annotations

import sqlite3


class UniqueNames:
    """Numbers repeated names, in the same way in every run.

    Names beyond SQLite's cache are in its own temporary file.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.execute("CREATE TABLE names (name TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def name(self, name: str) -> str:
        """Return the name itself the first time, ``name~2`` the second time, and so on."""
        row = self._db.execute(
            "INSERT INTO names VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET n = n + 1 RETURNING n",
            (name.encode("utf-8", "backslashreplace").decode(),),
        ).fetchone()
        return name if row[0] == 1 else f"{name}~{row[0]}"

    def __contains__(self, name: str) -> bool:
        """Return True if the name was given before."""
        query = "SELECT 1 FROM names WHERE name = ?"
        text = name.encode("utf-8", "backslashreplace").decode()
        return self._db.execute(query, (text,)).fetchone() is not None
