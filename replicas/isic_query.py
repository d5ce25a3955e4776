"""The ISIC Archive's query language, as its server reads it.

Source: isic/core/dsl.py of https://github.com/ImageMarkup/isic (pyparsing grammar). Values are
case-sensitive; an unknown field, single quotes, ``NOT``, ``>20`` and the like do not parse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Test = Callable[[Mapping[str, Any]], bool]

NUMBERS = frozenset({"age_approx", "mel_thick_mm", "clin_size_long_diam_mm"})
# The server parses these and then answers 500: its database has no such column.
WITHOUT_COLUMN = frozenset({"hairy", "color_tint"})
BOOLEANS = frozenset(
    [
        *("public", "melanocytic", "concomitant_biopsy", "personal_hx_mm", "family_hx_mm"),
        *("mel_ulcer", "hairy"),
    ]
)
WORDS = frozenset(
    [
        *("isic_id", "copyright_license", "sex", "diagnosis_confirm_type", "image_type"),
        *(f"diagnosis_{level}" for level in range(1, 6)),
        *(f"anatom_site_{level}" for level in range(1, 6)),
        *("anatom_site_special", "dermoscopic_type", "tbp_tile_type", "mel_mitotic_index"),
        *("fitzpatrick_skin_type", "image_manipulation", "patient_id", "lesion_id", "rcm_case_id"),
        "color_tint",
    ]
)
RENAMED = {"clinical": "clinical: close-up", "overview": "clinical: overview"}

_BLANKS = " \n\t\r"  # pyparsing's; a no-break space is none
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"  # with the digits of any script
_BOUND = rf"\*|{_NUMBER}"
_TOKEN = re.compile(
    rf"[{_BLANKS}]*(?:(?P<paren>[()])|(?P<op>(?:AND|OR)(?![\w$]))|(?P<minus>-)"
    rf"|(?P<field>[a-z_0-9]+)[{_BLANKS}]*:[{_BLANKS}]*(?:\"(?P<quoted>[^\"\n\r]*)\""
    rf"|(?P<open>[\[{{])[{_BLANKS}]*(?P<low>{_BOUND})[{_BLANKS}]*TO[{_BLANKS}]*(?P<high>{_BOUND})"
    rf"[{_BLANKS}]*(?P<close>[\]}}])"
    rf"|(?P<bare>{_NUMBER}|[A-Za-z0-9*_-]+)(?=[{_BLANKS})]|$)))"
)
_WORD = re.compile(r"[A-Za-z0-9*_-]+")


class NoColumnError(Exception):
    """The server answers 500 to it."""


class BadQueryError(ValueError):
    """The server answers 400 to it."""


def parse(query: str) -> Test:
    """Parse a query into a test of an image's fields.

    Raises BadQueryError; the test itself raises NoColumnError.
    """
    if not query.strip(_BLANKS):
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
        if not self.text[self.at :].strip(_BLANKS):
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
            inner = _term(self.token, self.text, negated=True)
            self.next()
            return lambda fields: not inner(fields)
        if not token["field"]:
            raise BadQueryError(self.text)
        test = _term(token, self.text)
        self.next()
        return test


def _term(token: re.Match[str], text: str, *, negated: bool = False) -> Test:
    field, quoted = token["field"], token["quoted"]
    value = quoted if quoted is not None else token["bare"]
    if field not in NUMBERS | BOOLEANS | WORDS:
        raise BadQueryError(text)
    if value == "*":
        return _stored(field, lambda found: found is not None)
    if field in NUMBERS:
        return _number(token, field, text)
    if token["open"] or (quoted is None and not _WORD.fullmatch(token["bare"])):
        raise BadQueryError(text)
    if field in BOOLEANS:
        if quoted is not None or value not in {"true", "false"}:
            raise BadQueryError(text)
        return _stored(field, lambda found: found is (value == "true"))
    if field == "image_type":
        value = RENAMED.get(value, value)
    return _stored(field, _matcher(value, negated))


def _matcher(value: str, negated: bool) -> Callable[[Any], bool]:
    """Return the test of a field of words: one `*`, at an end, stands for anything.

    A second one, or one inside, is a star to be found. -x:*a leaves out what begins with a: the
    server's own mistake.
    """
    if value.startswith("*") and not negated:
        return lambda found: str(found or "").endswith(value[1:])
    if value.startswith("*"):
        return lambda found: str(found or "").startswith(value[1:])
    if value.endswith("*"):
        return lambda found: str(found or "").startswith(value[:-1])
    return lambda found: found == value


def _stored(field: str, test: Callable[[Any], bool]) -> Test:
    """Return a test of one field of an image."""

    def check(fields: Mapping[str, Any]) -> bool:
        if field in WITHOUT_COLUMN:
            raise NoColumnError(field)
        return test(fields.get(field))

    return check


def _number(token: re.Match[str], field: str, text: str) -> Test:
    if token["open"]:
        low = float("-inf") if token["low"] == "*" else float(token["low"])
        high = float("inf") if token["high"] == "*" else float(token["high"])
        strict_low, strict_high = token["open"] == "{", token["close"] == "}"

        def inside(found: Any) -> bool:
            if found is None:
                return False
            number = float(found)
            above = number > low if strict_low else number >= low
            return above and (number < high if strict_high else number <= high)

        return _stored(field, inside)
    if token["bare"] is None or not re.fullmatch(_NUMBER, token["bare"]):
        raise BadQueryError(text)
    wanted = float(token["bare"])
    return _stored(field, lambda found: found is not None and float(found) == wanted)
