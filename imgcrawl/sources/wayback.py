"""The Wayback Machine: what to ask it, and what its answers mean.

The CDX server lists captures of a URL; ``/web/<timestamp>id_/<url>`` gives a capture's own bytes.
https://github.com/internetarchive/wayback/tree/master/wayback-cdx-server
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

_FIELDS = ("timestamp", "original", "mimetype", "statuscode", "digest", "length")
MAX_CAPTURES = 5  # different ones a URL is asked for


@dataclass(frozen=True, slots=True)
class WaybackCapture:
    """One capture of a URL."""

    timestamp: str  # 14 digits, UTC
    original: str  # the URL as it was captured
    digest: str  # base32 of the SHA-1 of its bytes

    @property
    def sha1(self) -> str:
        """The SHA-1 of its bytes, hexadecimal. Raises ValueError if the digest is none."""
        raw = base64.b32decode(self.digest)
        if len(raw) != 20:
            raise ValueError(f"{self.digest!r} is no SHA-1")
        return raw.hex()

    def replay_url(self, base: str) -> str:
        """Return the address of its own bytes; `base` is WAYBACK_URL."""
        return f"{base}web/{self.timestamp}id_/{self.original}"


def cdx_url(base: str, url: str, year: int | None) -> str:
    """Return the query for pictures captured of a URL, nearest to mid-year, or the latest."""
    asked = [
        ("url", url),
        ("output", "json"),
        ("fl", ",".join(_FIELDS)),
        ("filter", "statuscode:200"),
        ("filter", "mimetype:image/.*"),
        ("collapse", "digest"),
        ("resolveRevisits", "true"),
        ("closest", f"{year or datetime.now(UTC).year}0701000000"),
        ("sort", "closest"),
        ("limit", str(MAX_CAPTURES)),
    ]
    return f"{base}cdx/search/cdx?{urlencode(asked)}"


def parse_cdx(body: bytes, year: int | None) -> list[WaybackCapture]:
    """Return the captures in an answer, nearest to a year (None: to today) first, contents once.

    Raises ValueError for what is no answer of a CDX server.
    """
    if not body.strip():
        return []
    try:
        rows = json.loads(body)
    except RecursionError as error:
        raise ValueError("no list of captures") from error
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ValueError("no list of captures")
    if not rows:
        return []
    captures: dict[str, WaybackCapture] = {}
    for row in rows[1:]:
        found = dict(zip(map(str, rows[0]), map(str, row), strict=False))
        stamp, original = found.get("timestamp", ""), found.get("original", "")
        if not re.fullmatch(r"[0-9]{14}", stamp) or found.get("statuscode") not in {"200", "-"}:
            continue
        if original.startswith(("http://", "https://")):
            captures.setdefault(
                str(found.get("digest")), WaybackCapture(stamp, original, str(found.get("digest")))
            )
    middle = float(year or datetime.now(UTC).year) + 0.5

    def distance(capture: WaybackCapture) -> tuple[float, str]:
        when = int(capture.timestamp[:4]) + (int(capture.timestamp[4:6]) - 0.5) / 12
        return abs(when - middle), capture.timestamp

    return sorted(captures.values(), key=distance)[:MAX_CAPTURES]
