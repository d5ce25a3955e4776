"""How often a test kills, cuts and resumes: a few times in `make test`, hundreds in `make soak`."""

from __future__ import annotations

import os


def times(few: int, many: int) -> int:
    """Return `many` where the environment has IMGCRAWL_SOAK=1, else `few`."""
    return many if os.environ.get("IMGCRAWL_SOAK") == "1" else few
