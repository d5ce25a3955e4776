"""A parser of the ISIC Archive's query language that mends what people type by mistake.

The grammar is that of the server's public code (ImageMarkup/isic, ``isic/core/dsl.py``)::

    query   = all, { "OR", all } ;
    all     = operand, { [ "AND" ], operand } ;    (* AND is a must beside a parenthesis *)
    operand = "(", query, ")" | [ "-" ], field, ":", value ;
    value   = word | '"', text, '"' | ( "[" | "{" ), bound, "TO", bound, ( "]" | "}" ) ;

Each piece is written down as it is read, so that what is sent is grouped as it was typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from imgcrawl.sources.isic.query_fields import (
    FIELDS,
    LEGACY_LABEL,
    LEGACY_LABELS,
    FieldKind,
    guess,
    refusal,
)
from imgcrawl.sources.isic.query_tokens import FORMS, QueryToken, TokenKind, pointing, tokens
from imgcrawl.sources.isic.query_values import QueryError, Value, Written, excerpt, write

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

MAX_LENGTH: Final = 4_000  # characters
MAX_ENCODED: Final = 7_500  # bytes; the server reads request lines of 8,192
MAX_NESTING: Final = 20  # the server's parser runs out of stack soon after

_OPERATORS: Final = {"AND": "AND", "&": "AND", "&&": "AND", "OR": "OR", "|": "OR", "||": "OR"}


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """The query to send, what was changed to make it so, and how many terms it has."""

    text: str
    corrections: tuple[str, ...]
    terms: int
    words: tuple[tuple[str, str], ...] = ()  # the fields of words, each with the value asked for


def parse(text: str, names: Mapping[str, Collection[str]] | None = None) -> ParsedQuery:
    """Read a query. names: values that the archive has, by field.

    Raises QueryError, with a caret, for what cannot be sent.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"the query has {len(text)} characters: type at most {MAX_LENGTH}")
    parser = _QueryParser(text, names or {})
    parser.query()
    sent = parser.sent
    # A correction can lengthen a query, and what is sent must pass here again.
    if len(sent) > MAX_LENGTH or len(quote(sent, safe="")) > MAX_ENCODED:
        raise QueryError(f"the query is too long for a request: type {excerpt(text)} in parts")
    corrections = tuple(dict.fromkeys(parser.corrections))
    return ParsedQuery(sent, corrections, parser.terms, tuple(parser.words))


class _QueryParser:
    """Recursive descent over the tokens of one query."""

    __slots__ = (
        "_at",
        "_depth",
        "_names",
        "_pieces",
        "_text",
        "_tokens",
        "corrections",
        "terms",
        "words",
    )

    def __init__(self, text: str, names: Mapping[str, Collection[str]]) -> None:
        self._text = text
        self._names = names
        self._tokens = list(tokens(text))
        self._at = 0
        self._depth = 0
        self._pieces: list[str] = []
        self.corrections: list[str] = []
        self.terms = 0
        self.words: list[tuple[str, str]] = []

    @property
    def sent(self) -> str:
        """The query read so far, with one space between pieces and none inside parentheses."""
        return "".join(
            piece if before == "(" or piece == ")" else f" {piece}"
            for before, piece in pairwise(("(", *self._pieces))
        )

    def query(self) -> None:
        """Read the whole text; none is the query for everything."""
        if self._tokens[0].kind is TokenKind.END:
            return
        self._either()
        if self._next.kind is not TokenKind.END:
            raise self._fault("no parenthesis is open here: leave this one out", self._next)

    def _either(self) -> None:
        self._all()
        while self._operator() == "OR":
            self._take_operator()
            self._all()

    def _all(self) -> None:
        self._operand()
        while self._next.kind not in (TokenKind.END, TokenKind.CLOSE):
            match self._operator():
                case "OR":
                    return
                case "AND":
                    self._take_operator()
                case _:
                    self._juxtapose()
            self._operand()

    def _operator(self) -> str:
        """Return AND or OR if the next token is one, however it is spelled; else ""."""
        if self._next.kind is not TokenKind.WORD or self._after_next is TokenKind.COLON:
            return ""
        return _OPERATORS.get(self._next.text.upper(), "")

    def _take_operator(self) -> None:
        operator = self._operator()
        typed = self._take().text
        if typed != operator:
            self.corrections.append(f"{typed} → {operator} (the operators are AND and OR)")
        self._pieces.append(operator)

    def _juxtapose(self) -> None:
        """Add AND between operands side by side if the server needs it, beside a parenthesis."""
        before, after = self._tokens[self._at - 1], self._next
        if TokenKind.CLOSE is before.kind or TokenKind.OPEN is after.kind:
            left, right = excerpt(before.text), excerpt(after.text)
            reason = "AND is a must beside a parenthesis"
            self.corrections.append(f"{left} {right} → {left} AND {right} ({reason})")
            self._pieces.append("AND")

    def _operand(self) -> None:
        token = self._next
        if token.kind is TokenKind.OPEN:
            self._group()
        elif token.kind in (TokenKind.END, TokenKind.CLOSE) or self._operator():
            raise self._fault("a term is missing here: type one, as in sex:female", token)
        else:
            self._term()

    def _group(self) -> None:
        opening = self._take()
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._fault(f"type at most {MAX_NESTING} parentheses in each other", opening)
        self._pieces.append("(")
        self._either()
        if self._next.kind is not TokenKind.CLOSE:
            raise self._fault("this parenthesis is not closed: type ) after its terms", opening)
        self._take()
        self._pieces.append(")")
        self._depth -= 1

    def _term(self) -> None:
        start = self._next.start
        sign, reasons = self._negation()
        name = self._take()
        if name.kind is not TokenKind.WORD or self._next.kind is not TokenKind.COLON:
            raise self._lone(name)
        colon = self._take()
        # Right behind the colon, AND and OR are values to the server.
        if self._next.kind not in FORMS or (self._operator() and self._next.start != colon.end):
            words = "the value is missing here: type one word or one quoted text after the colon"
            raise self._fault(f"{words}, and each value with its field (a:x OR a:y)", self._next)
        value = self._take()
        field, why = self._field(name, value.value)
        written = self._written(field, value, negated=bool(sign))
        sent = f"{sign}{field}:{written.text}"
        if reasons := (*reasons, *why, *written.reasons):
            typed = " ".join(self._text[start : value.end].split())
            self.corrections.append(f"{typed} → {sent} ({'; '.join(reasons)})")
        self._pieces.append(sent)
        self.terms += 1
        if FIELDS[field].kind is FieldKind.WORD and not field.endswith("_id"):
            self.words.append((field, written.text.strip('"')))

    def _negation(self) -> tuple[str, tuple[str, ...]]:
        """Return the minus sign or nothing, and why it differs from what was typed."""
        if not self._negates():
            return "", ()
        sign = self._take()
        if self._next.kind is TokenKind.OPEN:
            words = "parentheses cannot be negated: negate each term, for -(a OR b) type -a AND -b"
            raise self._fault(f"{words}, for -(a AND b) type (-a OR -b)", sign)
        if self._negates():
            raise self._fault("this is negated twice: leave out both signs", sign)
        return "-", () if sign.text == "-" else ("negation is typed -",)

    def _negates(self) -> bool:
        if self._next.kind is TokenKind.NEGATE:
            return True
        return self._next.text.upper() == "NOT" and self._after_next is not TokenKind.COLON

    def _field(self, name: QueryToken, value: Value) -> tuple[str, tuple[str, ...]]:
        """Return the field that is searched for ``name``, and why if that is another word."""
        field = name.text.lower()
        if field == LEGACY_LABEL and value.text.lower() in LEGACY_LABELS:
            return "diagnosis_1", (f"{field} is gone; a few images were labelled anew since",)
        if field not in FIELDS:
            words = refusal(excerpt(field), value.text)
            if self._follows_value():
                words += "; a value of several words needs double quotes around all of them"
            raise self._fault(words, name)
        return field, () if field == name.text else ("fields are lower case",)

    def _written(self, field: str, token: QueryToken, *, negated: bool) -> Written:
        value = token.value
        if negated and "*" in value.text[:-1] and token.kind is not TokenKind.RANGE:
            # The server's search makes a negated beginning of a negated ending.
            words = "the server misreads a negated value with a * before its end: type the values"
            raise self._fault(f"{words}, or their beginning, as in -{field}:abc*", token)
        try:
            return write(field, value, self._names.get(field, ()))
        except QueryError as error:
            raise self._fault(str(error), token) from None

    def _lone(self, token: QueryToken) -> QueryError:
        """Return what is wrong with a token that is not the field of a term."""
        what = f"{excerpt(token.text)!r} stands alone" if token.text else "the query ends here"
        words = f"{what}: a term is a field, a colon and a value: type "
        field, _, rest = re.sub(r"[=<>\u2264\u2265]", ":\\g<0>", token.text).partition(":")
        if rest and field.lower() in FIELDS:
            return self._fault(f"{words}{field.lower()}:{excerpt(rest.lstrip('='))}", token)
        if not self._follows_value():
            return self._fault(words + (guess(token.text) or "diagnosis_1:Benign"), token)
        if token.kind is not TokenKind.WORD:
            words = "what holds a colon or a quote is put in double quotes: type "
            return self._fault(f'{words}it as in image_type:"RCM: tile"', token)
        field, _, before = self._pieces[-1].partition(":")
        whole = " ".join((before.strip('"'), *self._words()))
        return self._fault(f'{words}{field}:"{excerpt(whole)}" if this is one value', token)

    def _words(self) -> Iterator[str]:
        """Return the words from the last one taken up to the next term or operator."""
        self._at -= 1
        while self._next.kind is TokenKind.WORD and not self._operator():
            if self._after_next is TokenKind.COLON:
                return
            yield self._take().text

    def _follows_value(self) -> bool:
        return bool(self._pieces) and self._pieces[-1] not in ("(", ")", "AND", "OR")

    @property
    def _next(self) -> QueryToken:
        return self._tokens[self._at]

    @property
    def _after_next(self) -> TokenKind:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)].kind

    def _take(self) -> QueryToken:
        token = self._next
        self._at += 1
        return token

    def _fault(self, words: str, token: QueryToken) -> QueryError:
        return pointing(words, self._text, token.start, token.end)
