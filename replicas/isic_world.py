"""What has happened to the images of the ISIC Archive since it took them in.

Source: the server's code (ImageMarkup/isic). ``services/publish``: an image that becomes public
keeps its `created`, by which every list is ordered; it can be withdrawn again. Bulk applications
of metadata relabel images; a collection that is not locked gains and loses images, old ones too.
``models/collection.py``: only a pinned collection's name is unique. ``api/image.py``: a record
without a file, or with a field that the registry has lost, makes its page answer 500, for good.
``core/search.py``: counts, sizes and facets come from a search engine, which learns at night what
has changed, and are cached besides: lists are those of the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

COLLECTIONS: tuple[dict[str, Any], ...] = (
    {"id": 212, "name": "HAM10000", "every": 3, "pinned": True},
    {"id": 60, "name": "Challenge 2017: Training", "every": 4, "pinned": True},
    {"id": 65, "name": "Challenge 2019: Training", "every": 1, "pinned": True},
    {"id": 249, "name": "BCN20000", "every": 7, "locked": False},
)


@dataclass(slots=True)
class IsicWorld:
    """The state that images and collections are in.

    private:     ids that only those who are logged in see
    labels:      by id, fields that are other ones by now; None for a field that is gone
    broken:      ids of records that the server cannot serialise
    ties:        [number of the first image, how many] that were taken in at one moment
    collections: besides the usual ones: id, name, and `images` (ids) or `every` (each N-th)
    late:        whether sums are those of the state before, also of the number of images
    """

    private: frozenset[str] = frozenset()
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    ties: list[list[int]] = field(default_factory=list)
    collections: list[dict[str, Any]] = field(default_factory=list)
    late: bool = False

    def __post_init__(self) -> None:
        self.private, self.broken = frozenset(self.private), frozenset(self.broken)
        for collection in self.collections:
            collection["images"] = frozenset(collection.get("images", ()))

    @property
    def all_collections(self) -> list[dict[str, Any]]:
        """The public collections, the latest first, pinned ones before all others."""
        known = [*reversed(self.collections), *COLLECTIONS]
        return sorted(known, key=lambda each: not each.get("pinned"))

    def holds(self, collection: dict[str, Any], number: int, isic_id: str) -> bool:
        """Return whether a collection has an image."""
        if "every" in collection:
            return bool(number % collection["every"] == 0)
        return isic_id in collection["images"]

    def created_with(self, number: int) -> int:
        """Return the number of the image whose `created` an image shares."""
        for first, many in self.ties:
            if first <= number < first + many:
                return first
        return number


def as_served(collection: dict[str, Any]) -> dict[str, Any]:
    """Return a collection as the API has it."""
    doi = collection.get("doi")
    return {
        "id": collection["id"],
        "name": collection["name"],
        "description": collection.get("description", ""),
        "public": True,
        "pinned": collection.get("pinned", False),
        "locked": collection.get("locked", True),
        "doi": doi,
        "doi_url": f"https://doi.org/{doi}" if doi else None,
    }
