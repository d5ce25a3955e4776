"""Times as the tables have them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache


def utc_now() -> str:
    """The time now as the tables have it: UTC, ISO 8601, whole seconds."""
    return _in_words(int(time.time()))


@lru_cache(maxsize=2)
def _in_words(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
