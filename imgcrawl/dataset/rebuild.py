"""Make the tables of an OUT again from its ledger, and count its records."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.tables import write_all
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import LEDGER, OutputDirectory

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class RebuildCounts:
    """The records of an OUT.

    outcomes: number of records by outcome
    missing:  number of promised records that are missing, unreadable pieces of the source and
              unfilled places of quotas included
    bytes:    total size of the stored files
    """

    outcomes: dict[Outcome, int]
    missing: int
    bytes: int

    @property
    def stored(self) -> int:
        """Number of stored records."""
        return self.outcomes.get(Outcome.STORED, 0)


def rebuild(out: OutputDirectory, *, only_killed: bool = False) -> RebuildCounts:
    """Write the tables of an OUT anew and return the counts of its records.

    only_killed: leave tables alone that a run has completed

    Raises OutputError if its ledger cannot be read.
    """
    with closing(Ledger(out.root / LEDGER)) as ledger:
        # The rows of a run that was killed are in the order that they came in.
        if not only_killed or ledger.state("open") == "1":
            write_all(out, ledger)
        promised = ledger.counts(promised=True)
        short = sum(count.short for count in ledger.classes())
        lost = sum(promised.values()) - promised.get(Outcome.STORED, 0)
        return RebuildCounts(
            ledger.counts(), lost + short + ledger.n_unreadable(), ledger.stored_bytes()
        )


def rebuild_at(root: Path, *, only_killed: bool = False) -> RebuildCounts:
    """Lock the OUT in a folder and `rebuild` it. Raises OutputError also if it is in use."""
    with closing(OutputDirectory(root)) as out:
        return rebuild(out, only_killed=only_killed)
