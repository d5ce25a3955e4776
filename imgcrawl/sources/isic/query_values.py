"""What may stand after a field's colon in a search of the ISIC Archive, and how it is spelled.

Written after the grammar of the server's public code (ImageMarkup/isic, ``isic/core/dsl.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from imgcrawl.sources.isic.query_fields import FIELDS, FieldKind, QueryField

if TYPE_CHECKING:
    from collections.abc import Collection

_ISIC_ID = re.compile(
    r"(?P<prefix>ISIC_)?(?P<digits>[0-9]{7})(?:_downsampled)?(?:\.[A-Z]{3,4})?",
    re.IGNORECASE | re.ASCII,
)
_LETTERED_ID = re.compile(r"(?:ISIC|IL|IP)_[0-9]*\*?", re.IGNORECASE | re.ASCII)
_LEGACY_ID = re.compile(r"[0-9a-f]{24}", re.IGNORECASE)

# Digits are counted because a longer number overflows in the server.
_N = r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(?:[eE][+-]?[0-9])?"
_NUMBER = re.compile(_N)
_BETWEEN = re.compile(rf"({_N})(?:[-\u2013]|\.\.)({_N})")
_RANGE = re.compile(
    rf"([\[{{])\s*({_N}|\*)\s*(TO|[-\u2013]|\.\.)\s*({_N}|\*)\s*([\]}}])", re.IGNORECASE
)
_COMPARISON = re.compile(rf"([<>]=?|[≤≥])\s*({_N})")
_BARE = re.compile(r"[A-Za-z0-9*_-]+")

# The server itself takes these two older names of image types in this sense.
_ROMAN: Final = dict(zip("123456", ("I", "II", "III", "IV", "V", "VI"), strict=True))
_OLD_IMAGE_TYPES: Final = {"clinical": "clinical: close-up", "overview": "clinical: overview"}


class QueryError(ValueError):
    """A query, or a part of one, that cannot be sent; the text says why and what to type."""


class Form(Enum):
    """How a value was typed."""

    BARE = auto()
    QUOTED = auto()
    RANGE = auto()
    COMPARISON = auto()


@dataclass(frozen=True, slots=True)
class Value:
    """A value as typed: ``text`` is without its quotes but with its brackets or its ``>``."""

    form: Form
    text: str
    quote: str = ""  # the opening one


@dataclass(frozen=True, slots=True)
class Written:
    """A value as it is sent, and why it differs from what was typed (nothing: it does not)."""

    text: str
    reasons: tuple[str, ...] = ()


def parse_id(text: str) -> str:
    """Return an image's id from the forms in which people keep it.

    ``ISIC_0000000`` in any case, its digits alone, its file name, that of its smaller copy in the
    challenge of 2019 (``ISIC_0000000_downsampled``) and a URL that ends in one give
    ``ISIC_0000000``; the 24 hexadecimal digits of the archive's first API are lower-cased.
    Raises QueryError for anything else.
    """
    path = re.split(r"[?#]", text.strip(), maxsplit=1)[0].rstrip("/")
    last = path.rpartition("/")[2]
    if found := _ISIC_ID.fullmatch(last):
        # Bare digits at the end of a URL may count something else, such as collections.
        if found["prefix"] or last == path:
            return f"ISIC_{found['digits']}"
    elif _LEGACY_ID.fullmatch(last):
        return last.lower()
    raise QueryError(
        f"{excerpt(text)!r} is not an image id: type ISIC_ and seven digits, as in ISIC_0000000"
    )


def is_legacy_id(text: str) -> bool:
    """Return True for an id of the archive's first API, which today's search does not know."""
    return _LEGACY_ID.fullmatch(text) is not None


def excerpt(text: str, most: int = 60) -> str:
    """Return ``text`` for a message: its beginning, with nothing that a terminal would act upon."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:most])
    return clean + "…" * (len(text) > most)


def folded(text: str) -> str:
    """Return ``text`` without the case, spaces and signs in which people's spellings differ.

    A hyphen or underscore at its beginning stays: that may be meant to negate it.
    """
    return re.sub(r"[\s,:]|(?<=\w)[_-]", "", text.strip()).lower()


def write(name: str, value: Value, names: Collection[str] = ()) -> Written:
    """Return ``value`` as it is sent for the field ``name`` of ``FIELDS``.

    names: values of the field, besides those that are known here

    Raises QueryError, without a caret, if no value of that field can have been meant.
    """
    field = FIELDS[name]
    match field.kind:
        case FieldKind.NUMBER:
            return _number(name, value)
        case FieldKind.FLAG:
            return _flag(name, value)
        case FieldKind.WORD:
            known = QueryField(field.kind, tuple(dict.fromkeys((*field.values, *names))))
            return _word(name, known, value)


def _number(name: str, value: Value) -> Written:
    text = value.text.strip()
    if found := _RANGE.fullmatch(text):
        return _range(found)
    if found := _COMPARISON.fullmatch(text):
        return _compared(found[1], found[2])
    if found := _BETWEEN.fullmatch(text):
        return Written(f"[{found[1]} TO {found[2]}]", ("a range is typed [a TO b]",))
    if text == "*" or _NUMBER.fullmatch(text):
        return Written(text, ("numbers take no quotes",) if value.quote else ())
    raise QueryError(
        f"{name} takes a number, not {excerpt(text)!r}: type {name}:50, {name}:[20 TO 40], "
        f"{name}:[20 TO *] or {name}:*"
    )


def _range(found: re.Match[str]) -> Written:
    opening, low, word, high, closing = found.groups()
    if "*" not in (low, high) and float(low) > float(high):
        raise QueryError(
            f"the range is upside down and holds nothing: type {opening}{high} TO {low}{closing}"
        )
    sent = f"{opening}{low} TO {high}{closing}"
    if word == "TO":
        return Written(sent)
    return Written(
        sent, ("TO is upper case" if word.upper() == "TO" else "a range is typed [a TO b]",)
    )


def _compared(sign: str, number: str) -> Written:
    reason = "{a TO b} is a range without its ends, [a TO b] with them"
    opening, closing = "[]" if sign in (">=", "<=", "≥", "≤") else "{}"
    inside = f"{number} TO *" if sign[0] in ">≥" else f"* TO {number}"
    return Written(f"{opening}{inside}{closing}", (reason,))


def _flag(name: str, value: Value) -> Written:
    sent = value.text.strip().lower()
    if sent not in ("true", "false", "*"):
        raise QueryError(
            f"{name} is true or false, not {excerpt(value.text)!r}: type {name}:true, {name}:false "
            f"or {name}:* for either"
        )
    if value.quote:
        return Written(sent, ("true and false take no quotes",))
    return Written(sent, ("true and false are lower case",) if sent != value.text else ())


def _word(name: str, field: QueryField, value: Value) -> Written:
    text = value.text
    if value.form is Form.RANGE:
        numbers = ", ".join(each for each, of in FIELDS.items() if of.kind is FieldKind.NUMBER)
        raise QueryError(
            f"only numbers ({numbers}) have ranges: type each value, as in {name}:a OR {name}:b"
        )
    if not text.strip():
        raise QueryError(f"the value is empty: type -{name}:* for images that have none")
    if '"' in text or not text.isprintable():
        raise QueryError(
            f"{excerpt(text)!r} holds a character that no value has (a double quote, a line break "
            f"or an invisible one): type the value without it, or {name}:* for any"
        )
    _check_ends(name, text.strip())
    sent, reasons = _spelled(name, field, text)
    if value.form is not Form.QUOTED and not _BARE.fullmatch(text) and sent == text:
        if text not in field.values:
            raise QueryError(_unquoted(name, field, text))
        reasons.append("this value needs double quotes")
    if value.quote not in ("", '"'):
        reasons.append("quotes are double quotes")
    if value.quote or not _BARE.fullmatch(sent):
        return Written(f'"{sent}"', tuple(reasons))
    return Written(sent, tuple(reasons))


def _check_ends(name: str, text: str) -> None:
    """Raise QueryError for a value that the server can never find by its first or last sign."""
    if text[0] in "-_" and (rest := text.lstrip("-_ ")):
        negated = f"-{name}:{quoted(rest)} to leave it out, " if text[0] == "-" else ""
        raise QueryError(
            f"no value begins with {text[0]}, so that {excerpt(text)!r} finds nothing: type "
            f"{negated}{'or ' if negated else ''}{name}:{quoted(rest)} for the value itself"
        )
    inner = text[1:] if text[0] == "*" else text.removesuffix("*")
    if "*" in inner:
        raise QueryError(
            "the server takes one * only, at one end, and looks for any other as a star: type "
            + _with_one_star(name, text)
        )


def _with_one_star(name: str, text: str) -> str:
    """Return the terms that come nearest to a value with several stars, or one inside."""
    first, *inner, last = text.split("*")
    if first or last:
        ends = [f"{first}*"] * bool(first) + [f"*{last}"] * bool(last)
        return " AND ".join(f"{name}:{quoted(end)}" for end in ends)
    known = excerpt(max(inner, key=len) or "abc")
    return f"{name}:{quoted(known + '*')} or {name}:{quoted('*' + known)}"


def quoted(value: str) -> str:
    """Return a value for a message, in double quotes if it needs them."""
    shown = excerpt(value)
    return shown if _BARE.fullmatch(shown) else f'"{shown}"'


def _unquoted(name: str, field: QueryField, text: str) -> str:
    parts = [part for part in text.split(",") if _BARE.fullmatch(part)]
    if len(parts) > 1:
        choice = f"({' OR '.join(f'{name}:{part}' for part in parts[:9])})"
    elif field.values:
        near = get_close_matches(text[:40], field.values, n=1) or field.values
        choice = " or ".join(f'{name}:"{value}"' for value in near)
    else:
        choice = f'{name}:"{excerpt(text)}"'
    return f"anything but letters, digits, * _ and - needs double quotes: type {choice}"


def _spelled(name: str, field: QueryField, text: str) -> tuple[str, list[str]]:
    """Return ``text`` in the archive's own spelling, with the reasons for the difference."""
    if name == "isic_id" and "*" not in text:
        sent = parse_id(text)
        if is_legacy_id(sent):
            raise QueryError(f"the search does not know ids of the old API: type {name}:ISIC_…")
        return sent, ["ids are typed ISIC_0000000"] if sent != text else []
    if name in ("isic_id", "lesion_id", "patient_id") and _LETTERED_ID.fullmatch(text):
        return text.upper(), ["ids are upper case"] if text.upper() != text else []
    if name == "image_type" and text.lower() in _OLD_IMAGE_TYPES:
        return _OLD_IMAGE_TYPES[text.lower()], ["today's name of that image type"]
    if name == "fitzpatrick_skin_type" and text in _ROMAN:
        return _ROMAN[text], ["the types are I to VI"]
    sent = _known(field.values, text)
    if sent == text:
        return sent, []
    same = sent.lower() == text.lower()
    return sent, ["values are case-sensitive" if same else "that is the archive's spelling"]


def _known(values: tuple[str, ...], text: str) -> str:
    """Return the one of ``values``, or its beginning, that differs from ``text`` in case only."""
    if text in values:
        return text
    stem = text.removesuffix("*")
    if stem == text:
        same = {value for value in values if folded(value) == folded(text)}
        return same.pop() if len(same) == 1 else text
    heads = {value[: len(stem)] for value in values if value.lower().startswith(stem.lower())}
    return f"{heads.pop()}*" if len(heads) == 1 and stem not in heads else text
