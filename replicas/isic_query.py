"""The archive's query language, as its server reads it.

Source: isic/core/dsl.py of https://github.com/ImageMarkup/isic (pyparsing grammar). Values are
compared by case; an unknown field, single quotes, ``NOT``, ``>20`` and the like do not parse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Test = Callable[[Mapping[str, Any]], bool]

NUMBERS = frozenset({"age_approx", "mel_thick_mm", "clin_size_long_diam_mm"})
BOOLEANS = frozenset(
    {
        "public",
        "melanocytic",
        "concomitant_biopsy",
        "personal_hx_mm",
        "family_hx_mm",
        "mel_ulcer",
        "hairy",
    }
)
WORDS = frozenset(
    [
        "isic_id",
        "copyright_license",
        "diagnosis_1",
        "diagnosis_2",
        "diagnosis_3",
        "diagnosis_4",
        "diagnosis_5",
        "anatom_site_1",
        "anatom_site_2",
        "anatom_site_3",
        "anatom_site_4",
        "anatom_site_5",
        "anatom_site_special",
        "sex",
        "diagnosis_confirm_type",
        "image_type",
        "dermoscopic_type",
        "tbp_tile_type",
        "mel_mitotic_index",
        "fitzpatrick_skin_type",
        "image_manipulation",
        "patient_id",
        "lesion_id",
        "rcm_case_id",
        "color_tint",
    ]
)
RENAMED = {"clinical": "clinical: close-up", "overview": "clinical: overview"}

_TOKEN = re.compile(
    r"\s*(?:(?P<paren>[()])|(?P<op>(?:AND|OR)(?=[\s(]|$))|(?P<minus>-)"
    r'|(?P<field>[a-z_0-9]+)\s*:\s*(?:"(?P<quoted>[^"]*)"'
    r"|(?P<open>[\[{])\s*(?P<low>\*|-?\d+(?:\.\d+)?)\s+TO\s+(?P<high>\*|-?\d+(?:\.\d+)?)\s*(?P<close>[\]}])"
    r"|(?P<bare>[A-Za-z0-9*_-][A-Za-z0-9*_.-]*)(?=[\s)]|$)))"
)


class BadQueryError(ValueError):
    """The server answers 400 to it."""


def parse(query: str) -> Test:
    """A test of an image's fields. Raises BadQueryError."""
    if not query.strip():
        return lambda _: True
    parser = _Parser(query)
    test = parser.either()
    if parser.token is not None:
        raise BadQueryError(query)
    return test


@dataclass
class _Parser:
    text: str
    at: int = 0
    token: re.Match[str] | None = None

    def __post_init__(self) -> None:
        self.next()

    def next(self) -> None:
        if not self.text[self.at :].strip():
            self.token = None
            return
        self.token = _TOKEN.match(self.text, self.at)
        if self.token is None:
            raise BadQueryError(self.text)
        self.at = self.token.end()

    def either(self) -> Test:
        tests = [self.both()]
        while self.token and self.token["op"] == "OR":
            self.next()
            tests.append(self.both())
        return lambda fields: any(test(fields) for test in tests)

    def both(self) -> Test:
        tests: list[Test] = []
        grouped = False
        while True:
            group = bool(self.token and self.token["paren"] == "(")
            if tests and (group or grouped) and not self._joined:
                raise BadQueryError(self.text)  # terms may stand side by side, groups may not
            tests.append(self.unit())
            grouped = group
            self._joined = bool(self.token and self.token["op"] == "AND")
            if self._joined:
                self.next()
            elif not self.token or self.token["op"] or self.token["paren"] == ")":
                return lambda fields: all(test(fields) for test in tests)

    _joined = False

    def unit(self) -> Test:
        token = self.token
        if token is None:
            raise BadQueryError(self.text)
        if token["paren"] == "(":
            self.next()
            test = self.either()
            if not self.token or self.token["paren"] != ")":
                raise BadQueryError(self.text)
            self.next()
            return test
        if token["minus"]:
            self.next()
            if not self.token or not self.token["field"]:
                raise BadQueryError(self.text)
            inner = self.unit()
            return lambda fields: not inner(fields)
        if not token["field"]:
            raise BadQueryError(self.text)
        test = _term(token, self.text)
        self.next()
        return test


def _term(token: re.Match[str], text: str) -> Test:
    field = token["field"]
    value = token["quoted"] if token["quoted"] is not None else token["bare"]
    if value == "*":
        if field not in NUMBERS | BOOLEANS | WORDS:
            raise BadQueryError(text)
        return lambda fields: fields.get(field) is not None
    if field in NUMBERS:
        return _number(token, field, value, text)
    if token["open"]:
        raise BadQueryError(text)
    if field in BOOLEANS:
        if value not in {"true", "false"}:
            raise BadQueryError(text)
        return lambda fields: fields.get(field) is (value == "true")
    if field not in WORDS:
        raise BadQueryError(text)
    if field == "image_type":
        value = RENAMED.get(value, value)
    if value.endswith("*"):
        return lambda fields: str(fields.get(field) or "").startswith(value[:-1])
    if value.startswith("*"):
        return lambda fields: str(fields.get(field) or "").endswith(value[1:])
    return lambda fields: fields.get(field) == value


def _number(token: re.Match[str], field: str, value: str | None, text: str) -> Test:
    if token["open"]:
        low = float("-inf") if token["low"] == "*" else float(token["low"])
        high = float("inf") if token["high"] == "*" else float(token["high"])
        strict_low, strict_high = token["open"] == "{", token["close"] == "}"

        def inside(fields: Mapping[str, Any]) -> bool:
            if fields.get(field) is None:
                return False
            number = float(fields[field])
            above = number > low if strict_low else number >= low
            return above and (number < high if strict_high else number <= high)

        return inside
    try:
        wanted = float(value or "")
    except ValueError as error:
        raise BadQueryError(text) from error
    return lambda fields: fields.get(field) is not None and float(fields[field]) == wanted
