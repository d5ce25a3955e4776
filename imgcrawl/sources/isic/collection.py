"""Collections of the ISIC Archive: named sets of images, whose names are not unique."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class IsicCollection:
    """A collection. doi: empty if it has none"""

    number: int
    name: str
    is_pinned: bool
    doi: str

    @classmethod
    def of(cls, record: dict[str, Any]) -> IsicCollection:
        """Return the collection in a record of the API."""
        number = record.get("id")
        return cls(
            number if isinstance(number, int) else 0,
            str(record.get("name") or ""),
            record.get("pinned") is True,
            str(record.get("doi") or ""),
        )

    def is_called(self, name: str) -> bool:
        """Return whether a name is this collection's, in whatever case."""
        return self.name.strip().casefold() == name.strip().casefold()

    def describe(self, images: int | None) -> str:
        """Return its id and what tells it from others of its name."""
        known = [
            "an unknown number of images" if images is None else f"{images:,} images",
            "pinned" if self.is_pinned else "not pinned",
            f"DOI {self.doi}" if self.doi else "no DOI",
        ]
        return f"{self.number}: {', '.join(known)}"
