"""Errors that a user reads: one sentence that says what was wrong, where, and what to do."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.records.outcomes import Outcome

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})  # the disk, or the user's share of it


class RecordMissing(Exception):  # noqa: N818 - a verdict on one record more than a fault
    """A record cannot be had: nothing came of it, or bytes that are not what they should be.

    outcome: the reason, one of the closed list
    message: a sentence for ``failures.csv``
    status:  the HTTP status, if there was an answer
    tries:   how many times the address was asked, 0 if it never came to that
    """

    def __init__(
        self, outcome: Outcome, message: str, status: int | None = None, tries: int = 1
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.status = status
        self.tries = tries

    def again(self) -> RecordMissing:
        """Return a copy: one exception raised for many records would gather their tracebacks."""
        return RecordMissing(self.outcome, self.message, self.status, self.tries)


class ImgcrawlError(Exception):
    """The base of all that ends a run with a sentence in place of a traceback."""


class ArgumentError(ImgcrawlError):
    """Spider arguments that make no sense; raised before any request (exit status 2)."""


class SourceError(ImgcrawlError):
    """A source that does not answer as it must for the run to go on (exit status 1)."""


class NoAnswerError(SourceError):
    """A source that does not answer at all: its host, or the network, is at fault.

    reason: why a record at this address would be missing
    """

    def __init__(self, url: str, reason: RecordMissing) -> None:
        super().__init__(f"{url} cannot be read: {reason.message}.")
        self.reason = reason


class WrongAnswerError(SourceError):
    """A source that answers, but not with what was asked for.

    status: the HTTP status
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class OutputError(ImgcrawlError):
    """An output directory that cannot be used: locked, not writable, too small, not ours."""


class ReadOnlyError(OutputError):
    """A place that may only be read, and would have to be written to or locked (exit status 2)."""


class StoreError(OutputError):
    """An object store that refuses what it was asked.

    hopeless: it would refuse any other file as well (no rights, no bucket)
    passing:  it may take the same file in a while (throttled, out of order, not reached)
    denied:   the account has no right to do it; another request may be allowed
    """

    def __init__(
        self,
        message: str,
        *,
        hopeless: bool = False,
        passing: bool = False,
        denied: bool = False,
    ) -> None:
        super().__init__(message)
        self.hopeless = hopeless
        self.passing = passing
        self.denied = denied
