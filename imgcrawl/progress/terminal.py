"""Whether people look on at a terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings


def is_watched(settings: BaseSettings) -> bool:
    """Whether the log goes to a terminal that lines can be drawn anew on."""
    logs = settings.getbool("LOG_ENABLED") and not settings["LOG_FILE"]
    return logs and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
