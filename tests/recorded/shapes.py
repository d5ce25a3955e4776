"""Recordings, and the comparison of an answer's shape with a recorded one's."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def recorded(name: str) -> Any:
    """Return a JSON recording without the remark on its origin that some hold."""
    found = json.loads((FOLDER / name).read_text("utf-8"))
    if isinstance(found, dict):
        found = {key: value for key, value in found.items() if not _is_remark(key)}
    return found


def shape_of(value: Any) -> dict[str, set[str]]:
    """Return the types by path: ``$.results[].isic_id`` -> {"string"}.

    All elements of an array have one path: a key that only some of them have is there once.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    _walk(value, "$", found)
    return dict(found)


def differences(recording: Any, answer: Any) -> dict[str, str]:
    """Return what differs in the shape of an answer, by path; below a difference nothing more."""
    there, here = shape_of(recording), shape_of(answer)
    found: dict[str, str] = {}
    for path in sorted({*there, *here}):
        if any(path.startswith((f"{above}.", f"{above}[")) for above in found):
            continue
        if path not in here:
            # Elements of an array that is empty here may be of any kind.
            if not (path.endswith("[]") and here.get(path.removesuffix("[]"))):
                found[path] = "absent"
        elif path not in there:
            if not (path.endswith("[]") and there.get(path.removesuffix("[]"))):
                found[path] = "added"
        elif not here[path] <= there[path]:
            found[path] = f"{_words(here[path])} for {_words(there[path])}"
    return found


def _words(types: set[str]) -> str:
    return " or ".join(sorted(types))


def _is_remark(key: str) -> bool:
    return key in {"_comment", "_provenance"}


def _walk(value: Any, path: str, found: defaultdict[str, set[str]]) -> None:
    found[path].add(_type(value))
    if isinstance(value, dict):
        for key, inner in value.items():
            _walk(inner, f"{path}.{key}", found)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, f"{path}[]", found)


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"
