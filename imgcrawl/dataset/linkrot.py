"""linkrot.csv: how many of a dataset's links are gone, by host, class, split and reason."""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import IO, TYPE_CHECKING

from imgcrawl.dataset.class_columns import class_of, split_of
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import LEDGER, LINKROT
from imgcrawl.text.addresses import host_of
from imgcrawl.text.csv_cells import safe_cell
from imgcrawl.text.redact import utf8

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.storage.directory import OutputDirectory

COLUMNS = ("by", "key", "links", "alive", "gone", "share_gone", "from_wayback", "reasons")
# Outcomes that say nothing about a link: it was not requested, or was alive and not stored.
_NOT_ASKED = {Outcome.INTERRUPTED, Outcome.DISK_FULL, Outcome.ROBOTS, Outcome.OPTED_OUT}
_ALIVE, _WAYBACK = "alive", "wayback"


@dataclass(slots=True)
class LinkCounts:
    """The links of one host, class or split, or all links, by what became of them."""

    alive: int = 0
    wayback: int = 0  # gone, and stored from the archive
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def gone(self) -> int:
        """Number of links that no longer lead to the picture."""
        return self.reasons.total() + self.wayback

    @property
    def links(self) -> int:
        """Number of links that were tried."""
        return self.alive + self.gone

    @property
    def share(self) -> float:
        """Fraction of links that are gone, 0 to 1."""
        return self.gone / self.links if self.links else 0.0


class LinkRot:
    """The links by kind ("all", "split", "class", "host") and key: there may be a million hosts.

    Beyond SQLite's cache they are in a temporary file.
    """

    KINDS = ("all", "split", "class", "host")

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute(
            "CREATE TABLE links (kind TEXT, key TEXT, what TEXT, n INTEGER,"
            " PRIMARY KEY (kind, key, what)) WITHOUT ROWID"
        )
        self._db.execute("BEGIN")

    def add(self, keys: dict[str, str], what: str) -> None:
        """Count a link. keys: its own of each kind; what: a reason, or one of the two words."""
        self._db.executemany(
            "INSERT INTO links VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1",
            ((kind, utf8(key), what) for kind, key in keys.items() if key),
        )

    def n_groups(self, kind: str) -> int:
        """Return how many keys of a kind have links."""
        query = "SELECT count(DISTINCT key) FROM links WHERE kind = ?"
        return int(self._db.execute(query, (kind,)).fetchone()[0])

    def groups(self, kind: str) -> Iterator[tuple[str, LinkCounts]]:
        """Yield the keys of a kind and their links, most gone first."""
        rows = self._db.execute(
            "SELECT key, what, n, sum(n) FILTER (WHERE what != ?) OVER (PARTITION BY key) AS gone"
            " FROM links WHERE kind = ? ORDER BY gone DESC, key, what",
            (_ALIVE, kind),
        )
        for key, counts in groupby(rows, key=itemgetter(0)):
            found = {what: n for _, what, n, _ in counts}
            alive, wayback = found.pop(_ALIVE, 0), found.pop(_WAYBACK, 0)
            yield key, LinkCounts(alive, wayback, Counter(found))


def write_link_rot(out: OutputDirectory) -> LinkRot:
    """Write linkrot.csv and return its counts. Raises OutputError if the ledger is unreadable."""
    with closing(Ledger(out.root / LEDGER)) as ledger:
        found = count_links(ledger)

    def write(file: IO[str]) -> None:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([safe_cell(cell) for cell in row] for row in _rows(found))

    out.write(LINKROT, write)
    return found


def count_links(ledger: Ledger) -> LinkRot:
    """Return the counts of all links that say something."""
    found = LinkRot()
    for entry in ledger.entries(Outcome):
        result = entry.result
        if result.url and result.outcome not in _NOT_ASKED:
            keys = {
                "all": "all",
                "host": host_of(result.url),
                "class": class_of(entry.metadata),
                "split": split_of(entry.metadata),
            }
            found.add(keys, _what(result))
    return found


def _rows(found: LinkRot) -> Iterator[tuple[object, ...]]:
    """Yield the rows of linkrot.csv: the groups, most gone first, then the reasons of all."""
    for kind in found.KINDS:
        for key, rot in found.groups(kind):
            reasons = "; ".join(f"{reason} {n}" for reason, n in rot.reasons.most_common())
            figures = rot.links, rot.alive, rot.gone, f"{rot.share:.4f}", rot.wayback
            yield kind, key, *figures, reasons
    for _, everything in found.groups("all"):
        for reason, n in everything.reasons.most_common():
            share = f"{n / everything.links:.4f}" if everything.links else ""
            yield "reason", reason, everything.links, "", n, share, "", ""


def _what(result: Stored | Missing) -> str:
    """Return what became of a link: it is alive, recovered, or the reason why it is gone."""
    if isinstance(result, Missing) and result.outcome is not Outcome.DUPLICATE:
        return result.outcome.value
    return _WAYBACK if isinstance(result, Stored) and result.source == "wayback" else _ALIVE
