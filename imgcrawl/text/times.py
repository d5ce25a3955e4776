"""Times in the format of the tables."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache


def utc_now() -> str:
    """Return the current time in the format of the tables: UTC, ISO 8601, whole seconds."""
    return _format_seconds(int(time.time()))


def timestamp(text: str) -> float:
    """Return the seconds since 1970 of a time in the format of the tables. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()


@lru_cache(maxsize=2)
def _format_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
