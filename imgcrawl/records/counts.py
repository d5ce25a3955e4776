"""What a run has done so far, for those who look on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.records.items import NotFollowed, Read, Result

NAMED = 100  # pages that were not followed, which are named; the others are counted


@dataclass(slots=True)
class Counts:
    """What this run has done so far.

    A candidate is a record of a class of which a number is wanted: it is not promised itself.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)  # records that ended in this run
    unchanged: int = 0  # records that an earlier run had brought to their end
    not_retried: int = 0  # of these, missing for a reason that no other try can mend
    foreseen_missing: int = 0  # volumes that a dry run found that they cannot be had
    mostly_absent: int = 0  # stored volumes of which most is fill value, and nobody allowed it
    changed: int = 0  # asked for in another way than before: anew
    relabelled: int = 0  # stored, and their source says otherwise of them than before
    withdrawn: int = 0  # their source has them no longer
    replaced: int = 0  # candidates that failed; another takes their place, while there are any
    bytes: int = 0  # stored in this run
    expected: int | None = None  # records promised, as far as the source says
    before: int = 0  # of these, read by earlier runs
    expected_bytes: int | None = None
    not_followed: Counter[str] = field(default_factory=Counter)  # pages, by why they were left out
    first_not_followed: list[str] = field(default_factory=list)  # their addresses
    read: Read | None = None  # what the source was read as, at its end
    phase: str = "starting"
    files: dict[str, tuple[int, int | None]] = field(default_factory=dict)  # large ones under way

    @property
    def stored(self) -> int:
        """Records stored in this run."""
        return self.outcomes[Outcome.STORED]

    @property
    def missing(self) -> int:
        """Records that turned out missing in this run."""
        return self.outcomes.total() - self.stored - self.replaced

    @property
    def done(self) -> int:
        """Records that have their outcome, by this run or an earlier one."""
        return self.outcomes.total() - self.replaced + self.unchanged

    @property
    def expected_now(self) -> int | None:
        """Records that this run brings to their end, as far as the source says."""
        return None if self.expected is None else self.expected - self.before

    def add(self, result: Result, *, candidate: bool) -> None:
        """Count a record that ended in this run."""
        self.outcomes[result.outcome] += 1
        if isinstance(result, Stored):
            self.bytes += result.bytes or 0
        elif candidate:
            self.replaced += 1

    def add_unchanged(self, result: Result) -> None:
        """Count a promised record whose result is an earlier run's."""
        self.unchanged += 1
        self.not_retried += isinstance(result, Missing)

    def add_not_followed(self, page: NotFollowed) -> None:
        """Count a page that may lead to more records and is not read."""
        self.not_followed[page.why] += 1
        if len(self.first_not_followed) < NAMED:
            self.first_not_followed.append(page.where)

    def remove(self, result: Result, *, candidate: bool, in_this_run: bool) -> None:
        """Take back the count of a record that gets another result.

        in_this_run: whether `result` was found in this run
        """
        if in_this_run and self.outcomes[result.outcome]:
            self.outcomes[result.outcome] -= 1
            if isinstance(result, Stored):
                self.bytes -= result.bytes or 0
            elif candidate:
                self.replaced -= 1
        elif not candidate or isinstance(result, Stored):
            self.unchanged = max(0, self.unchanged - 1)
            if isinstance(result, Missing):
                self.not_retried = max(0, self.not_retried - 1)

    def describe_activity(self) -> str:
        """Return what is under way: large files, or else the phase."""
        shown = []
        for name, (received, size) in [*self.files.items()][:3]:
            of = f"/{size / 1e6:,.0f}" if size else ""
            shown.append(f"{name.rpartition('/')[2]} {received / 1e6:,.0f}{of} MB")
        return ", ".join(shown) or self.phase
