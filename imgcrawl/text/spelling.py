"""Parts of addresses that can be spelt in several ways, in one (RFC 3986, 6.2.2 and 6.2.3)."""

from __future__ import annotations

import re

_ENCODED = re.compile("(?<!%)(?<!%[0-9a-fA-F])%([0-9a-fA-F]{2})")  # and not what a lone % makes one
_DEFAULT_PORT = {"http": re.compile("(:(80)?)+$"), "https": re.compile("(:(443)?)+$")}


def without_default_port(host: str, scheme: str) -> str:
    """Return a host without the port that its scheme has anyway, or with an empty one."""
    known = _DEFAULT_PORT.get(scheme)
    return known.sub("", host) if known else host


def decode_unreserved(text: str, *, upper: bool) -> str:
    """Return a path or a query with its unreserved characters as they are: ``%7E`` is ``~``.

    upper: whether what stays encoded gets capital letters; digests that were stored had it as it
           came
    """
    return _ENCODED.sub(_upper if upper else _as_it_came, text) if "%" in text else text


def _upper(found: re.Match[str]) -> str:
    return _unreserved(found) or found[0].upper()


def _as_it_came(found: re.Match[str]) -> str:
    return _unreserved(found) or found[0]


def _unreserved(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character.isascii() and (character.isalnum() or character in "-._~") else ""
