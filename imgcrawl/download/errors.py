"""Failures of a download that need a class of their own, and failures of the disk."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator


class UnknownHost(RecordMissing):
    """A host name that does not exist, according to DNS: asking again soon gains little."""


@contextmanager
def to_disk() -> Iterator[None]:
    """Turn an OSError of a write into a RecordMissing (disk_full)."""
    try:
        yield
    except OSError as error:
        words = f"it cannot be written to disk ({error.strerror or error})"
        raise RecordMissing(Outcome.DISK_FULL, words) from error
