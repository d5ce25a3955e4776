"""A list in words: every column with examples, and what it was taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.lists.addresses import as_address, looks_like_url, split_addresses
from imgcrawl.lists.names import NAMES
from imgcrawl.lists.nested import paths_of, value_at
from imgcrawl.lists.row_bytes import is_body
from imgcrawl.lists.rows import excerpt
from imgcrawl.lists.url_columns import UrlColumn, rank_url_columns
from imgcrawl.text.redact import without_secrets

if TYPE_CHECKING:
    from typing import Any

    from imgcrawl.lists.look import Found, Sample

EXAMPLES = 3
MAX_COLUMNS = 60
MAX_SHOWN = 48  # characters of an example
_RIVAL = 2.0  # points that a column may be behind, and still be the one


def describe(sample: Sample, found: Found) -> list[str]:
    """Return a line for each column of the tables of pictures: examples, and its role."""
    rows = _rows(sample, found)
    role_of = {getattr(found.columns, role): role for role in NAMES}
    paths = _paths(rows)
    lines = []
    for path in paths[:MAX_COLUMNS]:
        values = [value for row in rows if (value := value_at(row, path)) not in (None, "", [])]
        shown = dict.fromkeys(_shown(value) for value in values)
        role = f" [{role_of[path]}]" if path in role_of else ""
        examples = " | ".join([*shown][:EXAMPLES]) or "empty"
        lines.append(f"  {path}{role}: {examples}")
    if len(paths) > MAX_COLUMNS:
        lines.append(f"  and {len(paths) - MAX_COLUMNS:,} columns more")
    return lines


def rivals(sample: Sample, found: Found) -> dict[str, list[str]]:
    """Return the columns of which it is not sure which has the pictures, with addresses of each.

    Empty where the addresses themselves name pictures, or where no other column could be meant.
    """
    rows = _rows(sample, found)
    ranked = rank_url_columns(_paths(rows), rows)
    best = next((each for each in ranked if each.path == found.columns.url), None)
    if best is None or best.pictures > 0.5:
        return {}
    near = [each for each in ranked if each.score > best.score - _RIVAL]
    if len(near) == 1 and not best.is_unsure():
        return {}
    return {each.path: _addresses(each, rows) for each in near}


def _rows(sample: Sample, found: Found) -> list[dict[str, Any]]:
    return [row.fields for table in found.tables for row in sample.tables.get(table, ())]


def _paths(rows: list[dict[str, Any]]) -> list[str]:
    """Return the columns, those inside of nested ones in their places."""
    return list(dict.fromkeys(path for row in rows for path in paths_of(row)))


def _addresses(column: UrlColumn, rows: list[dict[str, Any]]) -> list[str]:
    found: dict[str, None] = {}
    for row in rows:
        value = value_at(row, column.path)
        for text in value if isinstance(value, list) else [value]:
            if looks_like_url(text):
                found.setdefault(as_address(split_addresses(text)[0]))
    return [*found][:EXAMPLES]


def _shown(value: object) -> str:
    if is_body(value):
        return f"<{len(value):,} bytes>"
    text = excerpt(without_secrets(str(value)))
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
