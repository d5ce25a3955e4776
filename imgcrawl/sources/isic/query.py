"""The ISIC Archive's query language, checked and corrected before any request is made.

The server answers a query that it cannot read with one sentence and no position, and a value in
the wrong case with nothing found. Here both are reported, or corrected, at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from imgcrawl.sources.isic.query_fields import FIELDS
from imgcrawl.sources.isic.query_parser import parse
from imgcrawl.sources.isic.query_values import (
    QueryError,
    excerpt,
    folded,
    is_legacy_id,
    parse_id,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = [
    "CheckedQuery",
    "Filter",
    "QueryError",
    "check_query",
    "combine",
    "filter_query",
    "id_query",
    "is_legacy_id",
    "license_query",
    "parse_id",
]

MAX_IDS: Final = 100  # a page of results


@dataclass(frozen=True, slots=True)
class CheckedQuery:
    """A query that the server accepts, and a sentence for each change that made it one.

    words: the fields of words in it, each with the value that is asked for
    """

    text: str
    corrections: tuple[str, ...] = ()
    words: tuple[tuple[str, str], ...] = field(default=(), compare=False)


class Filter(StrEnum):
    """The one-word filters of an image's first diagnosis level."""

    BENIGN = "benign"
    MALIGNANT = "malignant"
    INDETERMINATE = "indeterminate"
    UNLABELLED = "unlabelled"

    @classmethod
    def _missing_(cls, value: object) -> Filter | None:
        word = str(value).strip().lower()
        word = "unlabelled" if word == "unlabeled" else word
        return next((member for member in cls if member.value == word), None)


def check_query(text: str, names: Mapping[str, Collection[str]] | None = None) -> CheckedQuery:
    """Return the query to send for ``text``, with a sentence for each correction.

    names: values that the archive has, by field; those of open lists are known in part only

    Raises QueryError, with a caret under the offending word and what to type instead, for what
    the server would refuse or misread and no correction is certain for. A query without a
    correction keeps its meaning and, but for spaces, its spelling; an empty one asks for all.
    """
    parsed = parse(text, names)
    return CheckedQuery(parsed.text, parsed.corrections, parsed.words)


def combine(*parts: str) -> str:
    """Return one query for images that match every one of ``parts``; empty parts are left out.

    Raises QueryError if a part, or the whole, cannot be sent.
    """
    full = [parsed for part in parts if (parsed := parse(part)).terms]
    if len(full) == 1:
        return full[0].text
    joined = " AND ".join(each.text if each.terms == 1 else f"({each.text})" for each in full)
    return parse(joined).text


def filter_query(name: Filter) -> str:
    """Return the query of a filter word."""
    word = Filter(name)
    return "-diagnosis_1:*" if word is Filter.UNLABELLED else f"diagnosis_1:{word.capitalize()}"


def license_query(licenses: Sequence[str]) -> str:
    """Return the query for images under one of ``licenses``; the empty query for none.

    Raises QueryError for a licence that the archive does not use.
    """
    known = {folded(name): name for name in FIELDS["copyright_license"].values}
    names: list[str] = []
    for typed in licenses:
        if folded(typed) not in known:
            left_out = known.get(folded(typed.lstrip("-!_ ")))
            instead = (
                f"-a query=-copyright_license:{left_out} to leave it out, " if left_out else ""
            )
            raise QueryError(
                f"the archive has no licence {excerpt(typed)!r}: type {instead}"
                f"{'or ' if instead else ''}{', '.join(known.values())}"
            )
        names.append(known[folded(typed)])
    return " OR ".join(f"copyright_license:{name}" for name in dict.fromkeys(names))


def id_query(ids: Sequence[str]) -> str:
    """Return the query for the images of 1 to 100 ids, each in any form that ``parse_id`` reads.

    Raises QueryError for other numbers of ids, for what is no id and for ids of the old API.
    """
    if not 1 <= len(ids) <= MAX_IDS:
        # An empty query would ask for the whole archive.
        raise QueryError(f"a query takes 1 to {MAX_IDS} ids, not {len(ids)}: type fewer at once")
    terms = dict.fromkeys(f"isic_id:{parse_id(each)}" for each in ids)
    return parse(" OR ".join(terms)).text
