"""Pictures that say "photo unavailable": known by their address or their bytes.

The list is ``imgcrawl/data/placeholders.json``, each entry with its origin.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from importlib.resources import files

MAX_BYTES = 64 << 10  # none that is known is larger; a longer body need not be hashed again


def known_address(url: str) -> str | None:
    """Return what is known of the placeholder at an address, or None if it is not one."""
    return next((what for pattern, what in _addresses() if pattern.search(url)), None)


def known_body(body: bytes) -> str | None:
    """Return what is known of the placeholder with these bytes, or None if they are not one."""
    if len(body) > MAX_BYTES:
        return None
    for algorithm, known in _bodies().items():
        digest = hashlib.new(algorithm, body, usedforsecurity=False).hexdigest()
        if digest in known:
            return known[digest]
    return None


@cache
def _data() -> dict[str, list[dict[str, str]]]:
    text = files("imgcrawl.data").joinpath("placeholders.json").read_text("utf-8")
    loaded: dict[str, list[dict[str, str]]] = json.loads(text)
    return loaded


@cache
def _addresses() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(known["pattern"]), known["what"]) for known in _data()["addresses"]]


@cache
def _bodies() -> dict[str, dict[str, str]]:
    bodies: dict[str, dict[str, str]] = {}
    for known in _data()["bodies"]:
        bodies.setdefault(known["algorithm"], {})[known["digest"]] = known["what"]
    return bodies
