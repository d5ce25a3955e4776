"""What a transfer may take: seconds of silence, seconds in all, bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.settings import BaseSettings

DEADLINE = 600.0  # seconds for one file
SPOOL_THRESHOLD = 4 << 20  # bytes


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """The limits of one transfer; 0 means none.

    silence:         seconds without a connection, or without a byte
    deadline:        seconds from first to last
    maxsize:         bytes of a body
    spool_threshold: bytes; a longer body goes to `spool`, where there is one
    """

    silence: float
    deadline: float
    maxsize: int
    spool_threshold: int
    spool: str | None = None

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> TransferLimits:
        """Return the limits of DOWNLOAD_TIMEOUT, _DEADLINE, _MAXSIZE and SPOOL_THRESHOLD."""
        return cls(
            settings.getfloat("DOWNLOAD_TIMEOUT"),
            settings.getfloat("DOWNLOAD_DEADLINE", DEADLINE),
            settings.getint("DOWNLOAD_MAXSIZE"),
            settings.getint("SPOOL_THRESHOLD", SPOOL_THRESHOLD),
        )

    def of(self, request: Request) -> TransferLimits:
        """Return the limits of a request, whose meta may name its own.

        download_timeout, download_deadline, download_maxsize, spool_threshold; spool: a path
        """
        meta = request.meta
        spool = meta.get("spool")
        return TransferLimits(
            float(meta.get("download_timeout", self.silence)),
            float(meta.get("download_deadline", self.deadline)),
            int(meta.get("download_maxsize", self.maxsize)),
            int(meta.get("spool_threshold", self.spool_threshold)),
            str(spool) if spool else None,
        )

    def allows(self, size: int) -> bool:
        """Return whether a body may have this length."""
        return not self.maxsize or size <= self.maxsize
