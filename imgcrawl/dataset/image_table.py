"""wells.csv: the images behind a record that several of them share, and what is known of each."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from imgcrawl.storage.directory import WELLS
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.records.items import SharedBy
    from imgcrawl.storage.directory import OutputDirectory

COLUMNS = ("record_id", "image_id", "plate", "well", "field")
MAX_COLUMNS = 1000


class ImageTable:
    """The rows of this run, which at its end take the place of earlier ones of the same records.

    They wait in a nameless file: a run that is killed leaves the table as it was, and the next one
    reads the images again.
    """

    def __init__(self, out: OutputDirectory) -> None:
        self._out = out
        self._spool: IO[str] | None = None
        self._records: set[str] = set()
        self._own: dict[str, None] = {}  # columns beside the fixed ones

    def add(self, row: SharedBy) -> None:
        """Add the row of one image."""
        if self._spool is None:
            descriptor, name = tempfile.mkstemp()
            Path(name).unlink()
            self._spool = os.fdopen(descriptor, "w+", encoding="utf-8", errors="backslashreplace")
        self._records.add(row.record_id)
        self._learn(row.columns)
        self._spool.write(json.dumps({"record_id": row.record_id, **row.columns}) + "\n")

    def close(self) -> None:
        """Write the table anew, if this run has rows for it. Raises OSError."""
        if self._spool is None:
            return
        known = self._out.root / WELLS
        if known.is_file():
            with known.open(encoding="utf-8", newline="") as file:
                self._learn(dict.fromkeys(csv.DictReader(file).fieldnames or ()))
        self._out.write(WELLS, self._write)
        self._spool.close()
        self._spool = None

    def _learn(self, columns: dict[str, object]) -> None:
        for name in columns:
            if name and name not in COLUMNS and len(self._own) < MAX_COLUMNS:
                self._own.setdefault(name)

    def _write(self, file: IO[str]) -> None:
        names = [*COLUMNS, *sorted(self._own)]
        writer = csv.writer(file)
        writer.writerow([safe_cell(name) for name in names])
        writer.writerows([row.get(name) or "" for name in names] for row in self._kept())
        assert self._spool is not None
        self._spool.seek(0)
        for line in self._spool:
            row = json.loads(line)
            writer.writerow([safe_cell(row.get(name)) for name in names])

    def _kept(self) -> Iterator[dict[str, str]]:
        """Yield the rows of records of which this run did not tell, their cells as they are."""
        known = self._out.root / WELLS
        if not known.is_file():
            return
        records = {safe_cell(record_id) for record_id in self._records}
        with known.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, restval=""):
                if row.get("record_id") not in records:
                    yield row
