"""Values inside of a row: ``data.image``, ``images[].large_url``; a plain name is a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 12
MAX_PATHS = 500  # of one row
_LOOKED_AT = 3  # elements of an array


def value_at(fields: dict[str, Any], path: str) -> Any:
    """Return what a row has under a name or a path; None if it has nothing there.

    A path with ``[]`` gives a list, of what all elements of the array have.
    """
    if path in fields:
        return fields[path]
    found: list[Any] = [fields]
    for name in path.split("."):
        bare = name.removesuffix("[]")
        found = [each[bare] for each in found if isinstance(each, dict) and bare in each]
        if bare != name:
            found = [item for each in found if isinstance(each, list) for item in each]
    if "[]" in path:
        return found
    return found[0] if found else None


def paths_of(fields: dict[str, Any]) -> list[str]:
    """Return the paths of all plain values and lists of them in a row, the outermost first."""
    found: dict[str, None] = {}
    for path in _walk(fields, "", 0):
        found.setdefault(path)
        if len(found) >= MAX_PATHS:
            break
    return sorted(found, key=lambda path: path.count("."))


def _walk(value: Any, path: str, depth: int) -> Iterator[str]:
    if isinstance(value, dict) and depth < MAX_DEPTH:
        for name, each in value.items():
            yield from _walk(each, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(value, list) and depth < MAX_DEPTH and any(isinstance(v, dict) for v in value):
        for each in value[:_LOOKED_AT]:
            if isinstance(each, dict):
                yield from _walk(each, f"{path}[]", depth + 1)
    else:
        yield path


def parallel(fields: dict[str, Any], length: int) -> list[str]:
    """Return the columns whose value is a list of so many elements: one for each address."""
    lists = ((name, value) for name, value in fields.items() if isinstance(value, list))
    return [name for name, value in lists if len(value) == length]
