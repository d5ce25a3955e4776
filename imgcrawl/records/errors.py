"""Errors that a user reads: one sentence that says what was wrong, where, and what to do."""

from __future__ import annotations

import errno

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})  # the disk, or the user's share of it


class ImgcrawlError(Exception):
    """The base of all that ends a run with words in place of a traceback."""


class ArgumentError(ImgcrawlError):
    """Spider arguments that cannot be meant; said before any request is made (exit status 2)."""


class SourceError(ImgcrawlError):
    """A source that does not answer as it must for the run to go on (exit status 1)."""


class OutputError(ImgcrawlError):
    """An output directory that cannot be used: locked, not writable, too small, not ours."""


class StoreError(OutputError):
    """A store that does not do what was asked, in words.

    hopeless: it would not do it for any other file either (no rights, no bucket)
    """

    def __init__(self, message: str, *, hopeless: bool = False) -> None:
        super().__init__(message)
        self.hopeless = hopeless
