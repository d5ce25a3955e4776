"""The statuses under which a whole picture comes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgcrawl.pictures.sniff import HEAD_BYTES, sniff

if TYPE_CHECKING:
    from scrapy.http import Response


def brings_the_whole(response: Response) -> bool:
    """Return whether a response has the whole of a picture, as far as its status tells.

    203 is 200 changed by a proxy; 206 may be a range of everything (RFC 9110, 15.3.4 and 15.3.7).
    A spooled body, which is not in memory, is left to the check of the picture.
    """
    match response.status:
        case 200 | 203:
            return True
        case 201:
            return "spooled" in response.flags or is_picture(response.body)
        case 206:
            text = (response.headers.get("Content-Range") or b"").decode("latin-1")
            span = re.fullmatch(r"\s*bytes\s+0-(\d{1,18})/(\d{1,18})\s*", text, re.IGNORECASE)
            if span is None or int(span[1]) + 1 != int(span[2]):
                return False
            return "spooled" in response.flags or len(response.body) == int(span[2])
    return False


def is_picture(body: bytes) -> bool:
    """Return whether a body begins as a picture does."""
    return sniff(body[:HEAD_BYTES]).format is not None
