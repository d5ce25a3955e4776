"""The tokens of the ISIC Archive's query language, and errors that point at one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from imgcrawl.sources.isic.query_values import Form, QueryError, Value, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class TokenKind(Enum):
    """The kinds of tokens, and what each looks like where one may begin."""

    OPEN = r"\("
    CLOSE = r"\)"
    COLON = r":"
    NEGATE = r"[-!]"
    RANGE = r"[\[{][^\[\]{}]*[\]}]"
    QUOTED = r""""[^"]*"|'[^']*'|\u201c[^\u201d]*\u201d|\u2018[^\u2019]*\u2019"""
    COMPARISON = r"""[<>\u2264\u2265]=?\s*[^\s()\[\]{}:"]*"""
    WORD = r"""(?:AND|OR)(?=-\w+\s*:)|[^\s()\[\]{}:"'\u201c\u2018<>\u2264\u2265][^\s()\[\]{}:"]*"""
    END = r"\Z"


FORMS: Final = {
    TokenKind.WORD: Form.BARE,
    TokenKind.QUOTED: Form.QUOTED,
    TokenKind.RANGE: Form.RANGE,
    TokenKind.COMPARISON: Form.COMPARISON,
}


def _any_of(kinds: Iterable[TokenKind]) -> re.Pattern[str]:
    # Only NEGATE and WORD begin alike, so that nothing is tried twice: the time is linear.
    return re.compile(r"\s*+(?:" + "|".join(f"(?P<{k.name}>{k.value})" for k in kinds) + ")")


_TOKEN = _any_of(TokenKind)
_AFTER_COLON = _any_of(kind for kind in TokenKind if kind is not TokenKind.NEGATE)


@dataclass(frozen=True, slots=True)
class QueryToken:
    """A token as typed, and where in the query it begins."""

    kind: TokenKind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where in the query it ends."""
        return self.start + len(self.text)

    @property
    def value(self) -> Value:
        """The value that a token of a kind in ``FORMS`` stands for."""
        if self.kind is TokenKind.QUOTED:
            return Value(Form.QUOTED, self.text[1:-1], self.text[0])
        return Value(FORMS[self.kind], self.text)


def tokens(text: str) -> Iterator[QueryToken]:
    """Yield the tokens of ``text``, END last; a hyphen after a colon belongs to the value.

    Raises QueryError for a quote or a range that is not closed.
    """
    pattern, at = _TOKEN, 0
    while found := pattern.match(text, at):
        kind = TokenKind[found.lastgroup or TokenKind.END.name]
        yield QueryToken(kind, found[kind.name], found.start(kind.name))
        if kind is TokenKind.END:
            return
        pattern, at = (_AFTER_COLON if kind is TokenKind.COLON else _TOKEN), found.end()
    raise _stray(text, len(text) - len(text[at:].lstrip()))


def pointing(words: str, text: str, start: int, end: int) -> QueryError:
    """Return an error of ``words``, the query around ``start``, and carets up to ``end``."""
    left = max(0, start - 40)
    part = re.sub(r"\s", " ", text[left : left + 80])
    mark = "…" * (left > 0)
    carets = "^" * max(1, min(end, left + 80) - start)
    return QueryError(
        f"{words}\n  {mark}{excerpt(part, 80)}\n  {' ' * (len(mark) + start - left)}{carets}"
    )


def _stray(text: str, at: int) -> QueryError:
    if text[at] in "[{":
        words = "this range is not closed: type [20 TO 40]"
    elif text[at] in "]}":
        words = "no range is open here: type [20 TO 40]"
    else:
        words = f'this quote is not closed: type "{excerpt(text[at + 1 :].strip(), 30)}"'
    return pointing(words, text, at, at + 1)
