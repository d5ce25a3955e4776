"""The one exception by which a download that brought no bytes says why."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator


class FetchError(Exception):
    """A download that failed.

    outcome: what it comes to for the record
    message: in words, for ``failures.csv``
    status:  the HTTP status, where there was an answer
    tries:   how many times the address was asked, 0 where it never came to that
    """

    def __init__(
        self, outcome: Outcome, message: str, status: int | None = None, tries: int = 1
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.status = status
        self.tries = tries

    def again(self) -> FetchError:
        """The same said anew: one exception raised for many would gather all their tracebacks."""
        return FetchError(self.outcome, self.message, self.status, self.tries)


class UnknownHost(FetchError):  # noqa: N818 - a kind of FetchError, named for what it says
    """A host name that, by the word of DNS, does not exist: asking again soon gains little."""


@contextmanager
def to_disk() -> Iterator[None]:
    """Turn what the disk says to a write into a FetchError (disk_full)."""
    try:
        yield
    except OSError as error:
        words = f"it cannot be written to disk ({error.strerror or error})"
        raise FetchError(Outcome.DISK_FULL, words) from error
