"""The one exception by which bytes that are no good picture say so, and how to quote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.records.outcomes import Outcome


class BadImage(Exception):  # noqa: N818 - a verdict on bytes more than a fault
    """Bytes that are not kept as a picture.

    outcome: what it comes to for the record
    message: in words, for ``failures.csv``
    """

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
