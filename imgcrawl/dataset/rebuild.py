"""The tables of an OUT made again from its ledger, and what the ledger says of its records."""

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
    """What is in an OUT.

    outcomes: how many records ended in which way
    missing:  of what was promised: records, pieces of the source that are none, and what classes
              lack
    bytes:    of what is stored
    """

    outcomes: dict[Outcome, int]
    missing: int
    bytes: int

    @property
    def stored(self) -> int:
        """Records that are stored."""
        return self.outcomes.get(Outcome.STORED, 0)


def rebuild(out: OutputDirectory, *, only_killed: bool = False) -> RebuildCounts:
    """Make the tables of an OUT anew; what they come to.

    only_killed: leave tables alone that a run has brought to their end

    Raises OutputError where its ledger cannot be read.
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
    """`rebuild` the OUT in a folder. Raises OutputError where it is in use, too."""
    with closing(OutputDirectory(root)) as out:
        return rebuild(out, only_killed=only_killed)
