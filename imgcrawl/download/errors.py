"""The one exception by which a download that brought no bytes says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import IgnoreRequest

if TYPE_CHECKING:
    from imgcrawl.outcomes import Outcome


class FetchError(IgnoreRequest):
    """A download that failed.

    outcome: what it comes to for the record
    message: in words, for ``failures.csv``
    status:  the HTTP status, where there was an answer
    tries:   how often it was tried

    To Scrapy it is a request that was ignored, which it does not log: the record's row says it.
    """

    def __init__(self, outcome: Outcome, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.status = status
        self.tries = 1
