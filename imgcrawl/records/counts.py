"""What a run has done so far, for those who look on; and the time as the tables have it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from imgcrawl.records.outcomes import Outcome


@dataclass(slots=True)
class Counts:
    """What this run has done so far."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)  # records that ended in this run
    unchanged: int = 0  # records that an earlier run had brought to their end
    not_retried: int = 0  # of these, missing for a reason that no other try can mend
    replaced: int = 0  # candidates that failed; another takes their place, while there are any
    bytes: int = 0  # stored in this run
    expected: int | None = None  # records promised, as far as the source says
    expected_bytes: int | None = None
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

    def describe_activity(self) -> str:
        """What is under way: large files, where there are any."""
        shown = []
        for name, (received, size) in [*self.files.items()][:3]:
            of = f"/{size / 1e6:,.0f}" if size else ""
            shown.append(f"{name.rpartition('/')[2]} {received / 1e6:,.0f}{of} MB")
        return ", ".join(shown) or self.phase
