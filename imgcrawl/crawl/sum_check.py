"""Is the sum right? What was read of a list is what has been stored, is missing or unreadable.

It is checked at the end of each run that read its source to the end, against the ledger itself:
two records that had been taken for one, or a piece that nobody wrote down, would show here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.crawl.run import Run
    from imgcrawl.records.items import Read


@dataclass(slots=True)
class SumCheck:
    """What came from the source in this run.

    records:    that it handed out, candidates of quotas apart
    unreadable: pieces that are no records
    read:       what the source says that it has read, at its end
    """

    records: int = 0
    unreadable: int = 0
    read: Read | None = None

    def fault(self, run: Run) -> str | None:
        """Return what is wrong with the sum, a sentence for the user; None if it is right."""
        if self.read is None:
            return None
        run.recorder.flush()
        promised = sum(run.ledger.counts(promised=True).values())
        unreadable = run.ledger.n_unreadable()
        wrong = (self.records, self.unreadable) != (self.read.records, self.read.unreadable)
        if wrong or promised < self.records or unreadable < self.unreadable:
            return (
                f"The sum is not right: of {self.read.records:,} records and "
                f"{self.read.unreadable:,} unreadable pieces that were read, {self.records:,} and "
                f"{self.unreadable:,} were handed on, and {promised:,} and {unreadable:,} are in "
                f"the ledger. {_ADVICE}"
            )
        return None


_ADVICE = "That is a fault of imgcrawl: what is stored is right, but something is left out."
