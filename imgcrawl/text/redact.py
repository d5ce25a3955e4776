"""Text that others chose, made safe for a terminal, a log and a table that is given away.

Names, addresses and messages of sources stand in all of them. Control characters that a terminal
obeys, or that hide the order of letters, are escaped, and credentials in addresses are left out.
"""

from __future__ import annotations

import logging
import re
import unicodedata

from imgcrawl.text.secrets import replace_secrets

_ODD = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, bidi marks, surrogates, line ends
_LEFT_OUT = "***"


def without_secrets(text: str) -> str:
    """Return a text with ``***`` for names, passwords, signatures and keys in its URLs."""
    return replace_secrets(text, lambda _: _LEFT_OUT)


def plain_text(text: str) -> str:
    """Return a text of one or more lines without secrets and without control characters."""
    text = without_secrets(text)
    if text.isprintable():
        return text
    return "".join(
        c if c == "\n" or unicodedata.category(c) not in _ODD else ascii(c)[1:-1] for c in text
    )


class PlainFormatter(logging.Formatter):
    """A formatter that makes plain text of another formatter's lines.

    Further lines of a message are indented: none looks like one of the log.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a log record."""
        message = record.getMessage()
        if "\n" in message or "\r" in message:
            record = logging.makeLogRecord(record.__dict__)
            record.msg, record.args = re.sub(r"\r\n?|\n", "\n    ", message), None
        return plain_text(self._inner.format(record))


def utf8(text: str) -> str:
    """Return a text that can be encoded: a lone surrogate, which JSON can hold, is escaped."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


MAX_QUOTE = 200  # characters of foreign text in one message


def printable(text: str, limit: int = MAX_QUOTE) -> str:
    """Return `text` on one line of at most `limit` characters, without control characters.

    Control characters, bidi controls, surrogates and everything else that prints nothing
    become spaces; runs of spaces become one.
    """
    # The cut comes first so that a long text costs no more than a short one.
    head = text[: limit * 10]
    shown = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in head)
    words = " ".join(shown.split())
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
