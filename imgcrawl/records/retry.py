"""Which missing records are tried again: the argument ``retry=`` and the setting RETRY."""

from __future__ import annotations

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.outcomes import Outcome


def retry_outcomes(text: str | None) -> frozenset[Outcome]:
    """Return the outcomes that ``retry=`` names: retryable (None), ``all``, ``none`` or a list.

    Raises ArgumentError for a word that is no reason.
    """
    missing = frozenset(Outcome) - {Outcome.STORED}
    match (text or "").strip().lower():
        case "":
            return frozenset(outcome for outcome in missing if outcome.retryable)
        case "all":
            return missing
        case "none":
            return frozenset()
        case words:
            chosen = {word.strip() for word in words.split(",") if word.strip()}
            if unknown := chosen - {outcome.value for outcome in missing}:
                known = ", ".join(sorted(outcome.value for outcome in missing))
                raise ArgumentError(
                    f"retry={text}: {min(unknown)} is no reason for a missing record. "
                    f"Type all, none, or some of: {known}"
                )
            return frozenset(Outcome(word) for word in chosen)
