"""What stays with an object, so that a run that is killed need not fetch it from its source again.

The store's listing says that a file is there; this says what it is, and where it came from.
"""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import TYPE_CHECKING

from imgcrawl.records.items import Stored
from imgcrawl.storage.origin import Origin
from imgcrawl.text.redact import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgcrawl.records.items import Result

_MAX_ORIGIN = 1500  # bytes; S3 keeps 2 KB beside an object
_UNTOLD = "untold"


def facts_of(result: Result | None) -> dict[str, str]:
    """The facts of a stored record, ASCII: ``sha256``, and ``origin`` where it is no plain one."""
    if not isinstance(result, Stored) or result.sha256 is None or result.url is None:
        return {}
    facts = {"sha256": result.sha256}
    origin = Origin(result.url, result.final_url or result.url, result.source or "original")
    if not origin.is_plain:
        # Whoever may read the object may read this.
        told = json.dumps([without_secrets(text) for text in astuple(origin)])
        facts["origin"] = told if len(told) <= _MAX_ORIGIN else _UNTOLD
    return facts


def origin_of(facts: Mapping[str, str]) -> Origin | None:
    """The origin that is no plain one, if there is one.

    Raises ValueError where it was not told, or is none: the source has to be asked again.
    """
    if "origin" not in facts:
        return None
    try:
        url, final_url, source = map(str, json.loads(facts["origin"]))
    except TypeError as error:
        raise ValueError("no origin") from error
    return Origin(url, final_url, source)
