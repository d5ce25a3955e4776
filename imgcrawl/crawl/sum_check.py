"""Is the sum right? What was read of a list is what has been stored, is missing or unreadable.

It is checked at the end of each run that read its source to the end, against the ledger itself:
two records that had been taken for one, or a piece that nobody wrote down, would show here. Every
shard of a list reads the whole of it, and counts what it leaves to the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.crawl.run import Run
    from imgcrawl.records.items import Read


@dataclass(slots=True)
class SumCheck:
    """What came from the source in this run.

    records:    that it handed out
    candidates: of classes, of which so many are wanted; they are no part of the promise. A class
                that is opened again hands out the same ones.
    unreadable: pieces that are no records
    others:     records of other shards, and pieces
    read:       what the source says that it has read, at its end
    """

    records: int = 0
    candidates: int = 0
    unreadable: int = 0
    others: tuple[int, int] = (0, 0)
    read: Read | None = None
    _ranks: dict[str, int] = field(default_factory=dict)  # of the next candidate of each class

    def add_candidate(self, quota: str, rank: int) -> None:
        """Count a candidate, if it was not handed out before."""
        if rank >= self._ranks.get(quota, 0):
            self._ranks[quota] = rank + 1
            self.candidates += 1

    def leave(self, *, record: bool) -> None:
        """Count a record, or else a piece, that is another shard's."""
        records, pieces = self.others
        self.others = (records + record, pieces + (not record))

    def fault(self, run: Run) -> str | None:
        """Return what is wrong with the sum, a sentence for the user; None if it is right."""
        if self.read is None:
            return None
        run.recorder.flush()
        promised = sum(run.ledger.counts(promised=True).values())
        every = sum(run.ledger.counts().values())
        unreadable = run.ledger.n_unreadable()
        handed = self.records + self.candidates + self.others[0]
        pieces = self.unreadable + self.others[1]
        wrong = (handed, pieces) != (self.read.records, self.read.unreadable)
        lost = promised < self.records or every < self.records + self.candidates
        if not (wrong or lost or unreadable < self.unreadable):
            return None
        left = f", {self.others[0]:,} and {self.others[1]:,} of them of other shards"
        return (
            f"The sum is not right: of {self.read.records:,} records and "
            f"{self.read.unreadable:,} unreadable pieces that were read, {handed:,} and "
            f"{pieces:,} were handed on{left if any(self.others) else ''}, and {every:,} and "
            f"{unreadable:,} are in the ledger. {_ADVICE}"
        )


_ADVICE = "That is a fault of imgcrawl: what is stored is right, but something is left out."
