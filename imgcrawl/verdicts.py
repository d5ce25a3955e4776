"""From what was found out about a record to its one verdict."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgcrawl.formats.errors import BadImage
from imgcrawl.items import Missing, Stored
from imgcrawl.outcomes import Outcome
from imgcrawl.tally import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.formats.check import ImageFacts
    from imgcrawl.store import Origin


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture that is stored: what was found out on the way."""

    path: str
    sha256: str
    size: int
    facts: ImageFacts

    def stored(self, origin: Origin, tries: int) -> Stored:
        """The verdict on a record that is there."""
        facts = self.facts
        return Stored(
            file_name=self.path,
            url=origin.url,
            final_url=origin.final_url,
            sha256=self.sha256,
            bytes=self.size,
            format=facts.format,
            width=facts.width,
            height=facts.height,
            mode=facts.mode,
            downloaded_at=utc_now(),
            source=origin.source,
            orientation=facts.orientation,
            frames=facts.frames,
            suspect=facts.suspect,
            tries=tries,
        )


def one_verdict(failures: list[Missing]) -> Missing:
    """One verdict for an item whose every URL failed: the one that leaves most hope."""
    first = next((f for f in failures if f.outcome.retryable), failures[0])
    others = {f"{f.message} ({f.url})" for f in failures if f is not first}
    message = "; ".join([first.message, *sorted(others)])
    return replace(first, message=message, tries=sum(f.tries for f in failures))


def check_digests(source: bytes | Path, expected: dict[str, str]) -> None:
    """Raise BadImage (corrupt) for bytes that are not those the source promised.

    expected: by algorithm of hashlib, in hexadecimal
    """
    for algorithm, wanted in expected.items():
        found, _ = digest(source, algorithm)
        if found != wanted.lower():
            words = f"its {algorithm} is {found}, and the source says {wanted}"
            raise BadImage(Outcome.CORRUPT, words)


def digest(source: bytes | Path, algorithm: str = "sha256") -> tuple[str, int]:
    """Digest in hexadecimal, and length; a file is read piece by piece."""
    if isinstance(source, bytes):
        found = hashlib.new(algorithm, source, usedforsecurity=False)
        return found.hexdigest(), len(source)
    with source.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
        return found.hexdigest(), file.tell()
