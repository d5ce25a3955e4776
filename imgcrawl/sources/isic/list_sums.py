"""What the archive says of a whole list: how many images, of how many bytes, with which labels.

Two requests tell whether a list of 500,000 is what it was. A count alone does not: an image that
is published and one that is withdrawn leave it as it is, and so does one that is relabelled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from imgcrawl.sources.isic.query_fields import FIELDS, FieldKind
from imgcrawl.sources.isic.records import file_of, flatten

if TYPE_CHECKING:
    from imgcrawl.records.items import Expects


TERMS = 10  # a search engine names so many values of a field at least, the most frequent ones
_MOST = 10_000  # values of a field that are counted here
_COUNTED = tuple(name for name in FIELDS if name != "public" and not name.endswith("_id"))


@dataclass(slots=True)
class ListSums:
    """The sums of a list; None, and no facets, for what the archive does not say.

    facets: how many images have each value, by field and value
    is_own: whether they were added up here, so that `facets` has all values
    """

    count: int | None = None
    bytes: int | None = None
    facets: dict[str, dict[str, int]] = field(default_factory=dict)
    is_own: bool = False

    @classmethod
    def of(cls, count: object, size: object, facets: object) -> ListSums:
        """Return the sums in answers of the archive; what is of another shape counts as not said.

        facets: their count, of the images with and without a licence, stands before `count`
        Ranges of numbers are left out: which of them a record is in cannot be told for sure.
        """
        fields = facets.items() if isinstance(facets, dict) else ()
        if (total := _total(dict(fields).get("copyright_license"))) is not None:
            count = total
        return cls(
            count if isinstance(count, int) else None,
            size if isinstance(size, int) else None,
            {str(name): _values(facet) for name, facet in fields if not _has_ranges(facet)},
        )

    @classmethod
    def own(cls) -> ListSums:
        """Return the sums of no records, to which all of a list are added."""
        return cls(0, 0, {name: {} for name in _COUNTED}, is_own=True)

    @property
    def is_said(self) -> bool:
        """Whether the archive has said all of them."""
        return None not in (self.count, self.bytes) and bool(self.facets)

    def described(self, promised: Expects, images: str) -> Expects:
        """Return a promise with its bytes and the licences of the list.

        images: which picture; the archive knows the bytes of full ones
        Only for a list that is read from its beginning: where one goes on, they are known.
        """
        if not self.count or promised.before or promised.records is None:
            return promised
        size = None
        if images == "full" and self.bytes:
            size = self.bytes * promised.records // self.count or None
        counts = ", ".join(
            f"{name} {count:,}" for name, count in self.facets.get("copyright_license", {}).items()
        )
        return replace(promised, bytes=size, note=f"Licences in the whole list: {counts}")

    def add(self, record: dict[str, Any]) -> None:
        """Add a record of the list that was not in it."""
        if self.count is not None:
            self.count += 1
        size = file_of(record, "full").get("size")
        if self.bytes is not None and isinstance(size, int):
            self.bytes += size
        for name, value in flatten(record).items():
            if name not in self.facets or value is None:
                continue
            counts, key = self.facets[name], _key(value)
            is_number = name in FIELDS and FIELDS[name].kind is FieldKind.NUMBER
            if is_number and key not in counts and not self.is_own:
                del self.facets[name]  # how wide the steps of its facet are is not said
            elif key in counts or len(counts) < (_MOST if self.is_own else TERMS):
                counts[key] = counts.get(key, 0) + 1

    def difference(self, today: ListSums) -> str:
        """Return in words how the sums of today differ from these; nothing if they do not."""
        if None not in (self.count, today.count) and self.count != today.count:
            return f"the archive counts {today.count:,}, where {self.count:,} are known"
        if None not in (self.bytes, today.bytes) and self.bytes != today.bytes:
            return f"its images have {today.bytes:,} bytes, where {self.bytes:,} are known"
        both = self.facets.keys() & today.facets.keys()
        other = sorted(name for name in both if not _agree(self.facets[name], today.facets[name]))
        return f"images have other values of {', '.join(other[:5])}" if other else ""


def _agree(known: dict[str, int], said: dict[str, int]) -> bool:
    """Return whether a facet can be that of the values known: it names the most frequent ones."""
    least = min(said.values()) if len(said) >= TERMS else 0
    return all(known.get(value) == count for value, count in said.items()) and all(
        count <= least for value, count in known.items() if value not in said
    )


def _total(facet: object) -> int | None:
    """Return the number of images that have a value and those that have none, if it is said."""
    meta = facet.get("meta") if isinstance(facet, dict) else None
    if not isinstance(meta, dict):
        return None
    missing, present = meta.get("missing_count"), meta.get("present_count")
    return missing + present if isinstance(missing, int) and isinstance(present, int) else None


def _buckets(facet: object) -> list[dict[str, Any]]:
    buckets = facet.get("buckets") if isinstance(facet, dict) else None
    return [b for b in buckets if isinstance(b, dict)] if isinstance(buckets, list) else []


def _has_ranges(facet: object) -> bool:
    return any({"from", "to"} & bucket.keys() for bucket in _buckets(facet))


def _values(facet: object) -> dict[str, int]:
    """Return how many images have each value of a field."""
    return {
        _key(bucket["key"]): bucket["doc_count"]
        for bucket in _buckets(facet)
        if isinstance(bucket.get("doc_count"), int) and bucket["doc_count"] and "key" in bucket
    }


def _key(value: Any) -> str:
    """Return a value as a facet has it: true and false are 1 and 0 to a search engine."""
    if isinstance(value, bool | int | float):
        return str(float(value))
    return str(value)
