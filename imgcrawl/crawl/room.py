"""The room that a dataset may take: ``max_total_bytes=``, counted over all runs into an OUT."""

from __future__ import annotations

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.sizes import format_size


class DatasetRoom:
    """Counts the bytes of stored files against a limit. Tables and smaller copies are not counted.

    limit: bytes, or 0 for none
    used:  bytes of the files that earlier runs stored
    """

    def __init__(self, limit: int, used: int) -> None:
        self._limit, self._used = limit, used
        self.refused = 0  # files that had no room

    def require(self, size: int) -> None:
        """Raise RecordMissing (disk_full) if a file of `size` bytes has no room."""
        if self._limit and self._used + size > self._limit:
            self.refused += 1
            words = (
                f"{format_size(size)} more than the {format_size(self._used)} that are there would "
                f"pass max_total_bytes ({format_size(self._limit)})"
            )
            raise RecordMissing(Outcome.DISK_FULL, words)

    def take(self, size: int) -> None:
        """Count a file that is stored, or, with a negative size, one that is there no more."""
        self._used += size

    def describe(self) -> str:
        """Return why the run ends early, and what to type to have the rest."""
        return (
            f"max_total_bytes={self._limit} is reached: {format_size(self._used)} are stored, and "
            "the next file has no room. The same command with a larger number, or without it, "
            "goes on from here."
        )
