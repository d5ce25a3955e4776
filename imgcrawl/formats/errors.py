"""The one exception by which bytes that are no good picture say so, and how to quote them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.outcomes import Outcome

MAX_QUOTE = 200  # characters of foreign text in one message


class BadImage(Exception):  # noqa: N818 - a verdict on bytes more than a fault
    """Bytes that are not kept as a picture.

    outcome: what it comes to for the record
    message: in words, for ``failures.csv``
    """

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message


def printable(text: str, limit: int = MAX_QUOTE) -> str:
    """`text` on one line of at most `limit` characters, safe for a terminal, a log and a table.

    Control characters, bidi controls, surrogates and everything else that prints nothing
    become spaces; runs of spaces become one.
    """
    # The cut comes first so that a long text costs no more than a short one.
    head = text[: limit * 10]
    shown = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in head)
    words = " ".join(shown.split())
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
