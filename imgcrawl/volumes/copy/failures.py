"""The failures of a copy, counted: there may be a million of them, and one result."""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass, field, replace

from imgcrawl.records.errors import FULL_DISK, RecordMissing
from imgcrawl.records.items import Missing, merge_failures
from imgcrawl.records.outcomes import Outcome

# After these nothing else of the copy will come in this run.
_HOPELESS = (Outcome.DISK_FULL, Outcome.INTERRUPTED, Outcome.HOST_DOWN)


@dataclass(slots=True)
class CopyFailures:
    """How often each outcome occurred, and its first failure."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    first: dict[Outcome, tuple[str, RecordMissing]] = field(default_factory=dict)
    refused: int = 0

    def __bool__(self) -> bool:
        return bool(self.outcomes)

    @property
    def hopeless(self) -> bool:
        """Whether nothing else of the copy will come in this run."""
        return any(outcome in self.outcomes for outcome in _HOPELESS)

    def add(self, key: str, error: RecordMissing) -> None:
        """Count the failure of an object (`key`), or of what all objects depend on ("")."""
        self.outcomes[error.outcome] += 1
        self.first.setdefault(error.outcome, (key, error))

    def refuse(self, key: str, problem: str) -> None:
        """Count an object whose name cannot be used."""
        words = f"{key[:100]!r} is no name to store it under: {problem}"
        self.add(key, RecordMissing(Outcome.BAD_URL, words, tries=0))

    def stop(self) -> None:
        """Note, once, that the run is being stopped."""
        if Outcome.INTERRUPTED not in self.outcomes:
            words = "the run was stopped; the next one goes on from here"
            self.add("", RecordMissing(Outcome.INTERRUPTED, words, tries=0))

    def to_missing(self, there: int, url: str, *, complete: bool) -> Missing:
        """Reduce the failures to one result: what ended the copy first, then the most hopeful.

        there:    number of objects that are stored
        complete: whether all objects of the source have been listed
        """
        each = {outcome: Missing.of(error, url) for outcome, (_, error) in self.first.items()}
        ended = [each[outcome] for outcome in _HOPELESS if outcome in each]
        chosen = (ended or [merge_failures([*each.values()])])[0]
        counts = Counter({o: n for o, n in self.outcomes.items() if self.first[o][0]})
        if not counts:
            return chosen
        words = ", ".join(f"{n:,} {outcome}" for outcome, n in counts.most_common())
        key, error = next(pair for pair in self.first.values() if pair[0])
        number = f"{counts.total():,} of {'' if complete else 'at least '}"
        message = f"{number}{there + counts.total():,} objects: {words}; first: {key[:200]!r}"
        return replace(chosen, message=f"{message} ({error.message})")


def disk_error(error: OSError) -> RecordMissing:
    """Return the failure that an error of the disk (of OUT, or of a copied folder) means."""
    outcome = Outcome.BAD_URL
    if error.errno in FULL_DISK:
        outcome = Outcome.DISK_FULL
    elif error.errno == errno.ENOENT:
        outcome = Outcome.NOT_FOUND
    return RecordMissing(outcome, f"it cannot be stored ({error.strerror or error})", tries=0)
