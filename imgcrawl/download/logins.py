"""Pages to log in that come in the place of a file, with status 200."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_LOGIN = re.compile(
    r"(?:^|[/._?=-])(?:log-?in|log_in|logon|sign-?in|sign_in|sso|saml2?|idp|oauth2?|authorize|wayf)"
    r"(?:[/._?&-]|$)",
    re.IGNORECASE,
)
_PAGE = re.compile(rb"\s*(?:<!--[^>]*-->\s*)?<(?:!doctype html|html|head|body)", re.IGNORECASE)


def asks_for_login(asked: str, final: str, head: bytes) -> bool:
    """Return whether a request was led to a page to log in.

    asked, final: the address that was requested, and the one that answered after redirects
    head: the first bytes of the answer
    """
    if asked == final or not _PAGE.match(head):
        return False
    parts = urlsplit(final)
    return _LOGIN.search(f"{parts.hostname}{parts.path}") is not None
