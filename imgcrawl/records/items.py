"""What a spider yields: records, and notes about them.

A spider's stream holds items (one item = one record of the dataset = one thing to store) and,
among them, `Bookmark`, `Expects`, `Document`, `Unreadable`, `NotFollowed` and `Withdrawn`. Items
carry everything that the rest of the project needs; nobody asks which spider an item came from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota
from imgcrawl.records.volume import Copy, Crop, CubeMember

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from imgcrawl.records.errors import RecordMissing
    from imgcrawl.records.held_body import HeldBody

Metadata: TypeAlias = dict[str, Any]  # flat, the source's own field names; values as JSON has them


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that is there. `file_name` is None where only its metadata was asked for."""

    file_name: str | None = None  # relative to OUT, POSIX
    url: str | None = None  # asked
    final_url: str | None = None  # after redirects
    sha256: str | None = None
    bytes: int | None = None
    format: str | None = None  # Pillow's name: JPEG, PNG, TIFF, ...
    width: int | None = None  # pixels, as stored (EXIF orientation not applied)
    height: int | None = None
    mode: str | None = None  # Pillow's mode: RGB, L, I;16, CMYK, ...
    downloaded_at: str | None = None  # UTC, ISO 8601
    source: str | None = None  # original, mirror, wayback
    orientation: int | None = None  # EXIF, 1 to 8
    frames: int | None = None
    suspect: str | None = None  # what a strict decoder objected to, in its words
    tries: int = 0

    outcome: ClassVar[Outcome] = Outcome.STORED

    def as_missing(self, outcome: Outcome, message: str) -> Missing:
        """Return the result of a stored file that turns out not to be the record."""
        return Missing(outcome, message, self.url, 200, self.tries, self.sha256, self.final_url)


@dataclass(frozen=True, slots=True)
class Missing:
    """A record that is not there, and why."""

    outcome: Outcome
    message: str = ""
    url: str | None = None
    http_status: int | None = None
    tries: int = 0
    # Of what came, where it was a picture and still is not the record.
    sha256: str | None = None
    final_url: str | None = None

    @classmethod
    def of(
        cls, error: RecordMissing, url: str, *, status: int | None = None, tries: int | None = None
    ) -> Missing:
        """Return the result of a record for which `error` was raised.

        url: the address that was asked; status, tries: in place of those of the error
        """
        return cls(
            outcome=error.outcome,
            message=error.message,
            url=url,
            http_status=error.status if status is None else status,
            tries=error.tries if tries is None else tries,
        )


Result: TypeAlias = Stored | Missing


class LockedDigests(dict[str, str]):
    """What the bytes of a record came to when its dataset was locked: others are `changed`."""


@dataclass(frozen=True, slots=True)
class Document:
    """A small text beside the images: an image's description, a licence. `path` is below OUT."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A place in the source to go on from, once everything handed out before it has its outcome."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Expects:
    """How much a source promises, as it says itself; None where it does not say.

    records: how many; bytes: their sum; note: one line for people (licences, classes)
    before:  how many of them earlier runs have read: this one goes on behind them
    """

    records: int | None = None
    bytes: int | None = None
    note: str = ""
    before: int = 0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A piece of a source that was to be a record and cannot be read as one.

    where:   unique in the source: "train.json, record 12"
    problem: what is wrong with it, and how it begins
    """

    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class Read:
    """What a source was read as, said at its end.

    rows:       lines of a list, or objects
    records:    that were made of them
    unreadable: pieces that are no records
    passed:     rows of which none was to be made: remarks, other tables
    """

    rows: int
    records: int
    unreadable: int
    passed: int = 0

    def __add__(self, other: Read) -> Read:
        """Return the sum of two sources."""
        return Read(
            self.rows + other.rows,
            self.records + other.records,
            self.unreadable + other.unreadable,
            self.passed + other.passed,
        )

    def __str__(self) -> str:
        passed = f", {self.passed:,} passed over" if self.passed else ""
        return (
            f"{self.rows:,} rows were read: {self.records:,} records, "
            f"{self.unreadable:,} that are none{passed}."
        )


@dataclass(frozen=True, slots=True)
class SharedBy:
    """One of the images that share the files of a record: a row of wells.csv.

    record_id: the record, or what the ids of its records begin with where they are several files
    columns:   image_id, plate, well, field, and what is known of this image alone
    """

    record_id: str
    columns: Metadata


@dataclass(frozen=True, slots=True)
class NotFollowed:
    """A part of a source that may lead to more records and is not read; it is counted and named.

    A page, a layer, a picture beside the one that is taken.

    where: its address
    why:   what it would take to read it, or why it is left out
    """

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A record that was in a list of its source and is no longer.

    A file that is there stays, and its row says when that was seen; a record that is missing is not
    promised any more.

    metadata: its columns today, if the source still has it, though not in the list
    by_id:    it is asked for by its id: one that is missing stays promised
    """

    record_id: str
    metadata: Metadata | None = None
    by_id: bool = False


@dataclass(slots=True)
class Item:
    """One record.

    record_id: stable and unique in the dataset
    urls:      the same picture, best first; empty where only the metadata is wanted
    path:      the target below OUT without extension, made of ids
    metadata:  the dataset's own columns
    documents: texts written beside the file once the record is stored
    quota:     the class that this is one candidate of (`Quota.key`); such a record is not promised
    rank:      its place among the candidates
    digests:   what its bytes must come to, as the source says: {"md5": hexadecimal}, or
              {"size": bytes} where it has no digest
    revision:  columns by which a source without digests tells of a file that was replaced: the
              version of all, and what its list says of this one; it is fetched anew where both
              are others than before
    hint:      what else is known of a picture, for the message if it is missing
    result:    what became of it; a spider may set it where it knows that a record is missing
    replaces: the id under which an earlier run noted that there is no such record
    body:      its bytes, where its list has them: nothing is asked
    mask_of:   the id of the record that this one is a mask of: it has no row of its own, and its
              file stands in the other's, the best one (the lowest `rank`) if there are several
    """

    kind: ClassVar[str]
    named: ClassVar[bool] = False  # whether `path` has its extension from the start

    record_id: str
    urls: list[str]
    path: str
    metadata: Metadata = field(default_factory=dict)
    documents: list[Document] = field(default_factory=list)
    quota: str | None = None
    rank: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    revision: tuple[str, ...] = ()
    hint: str = ""
    result: Result | None = None
    replaces: str = ""
    mask_of: str = ""
    body: HeldBody | None = field(default=None, repr=False, compare=False)

    # Set on the way, never by a spider.
    unchanged: bool = False  # the result is an earlier run's: nothing was fetched
    changed: bool = False  # what the ledger has of this record answers another question
    previous_failure: Missing | None = None  # of a record now looked for in the Wayback Machine
    proved: bool = False  # the stored file has digests that nobody had promised before
    recovered_file: Path | None = None  # under this record's final name, and in no table
    renew: Callable[[Item], Awaitable[list[str]]] | None = None  # fresh URLs for expired ones

    def to_json(self) -> str:
        """Return as JSON what is needed to try this record again without asking the source."""
        kept: dict[str, Any] = {"kind": self.kind, "urls": self.urls, "path": self.path}
        if self.documents:
            kept["documents"] = [[document.path, document.text] for document in self.documents]
        for name in ("quota", "rank", "digests", "hint", "mask_of"):
            if value := getattr(self, name):
                kept[name] = value
        kept |= self._own_json()
        return json.dumps(kept, separators=(",", ":"))

    @property
    def shard_key(self) -> str:
        """What decides the shard of a record: records that share it stay together."""
        return self.record_id

    def part(self) -> Any:
        """Return which part of what lies at the addresses is wanted; None for all of it."""
        return None

    def _own_json(self) -> dict[str, Any]:
        """Return what this kind of item keeps besides, as JSON has it."""
        return {}


@dataclass(slots=True)
class ImageItem(Item):
    """A record whose bytes are a picture."""

    kind = "image"


@dataclass(slots=True)
class FileItem(Item):
    """A record whose bytes are any file: it keeps its name, so that `path` has its extension."""

    kind = "file"
    named = True


@dataclass(slots=True)
class VolumeItem(Item):
    """A record that is a chunked array, or a part of one: it has a copy or a crop.

    `path` has its extension, as that of a file item. urls: where people would look, the first of
    them is shown in the tables.

    partners: the other members of its cube: stored with it, or missing with it
    dataset:  its name in the file, if that is its partners' too: HDF5
    """

    kind = "volume"
    named = True

    copy: Copy | None = None
    crop: Crop | None = None
    partners: tuple[CubeMember, ...] = ()
    dataset: str = ""

    @property
    def sharers(self) -> frozenset[str]:
        """The ids of the records that have the same file."""
        return frozenset(p.record_id for p in self.partners if self.dataset)

    @property
    def counts_bytes(self) -> bool:
        """Whether its row has the size of its file: of several that share it, the first has."""
        return self.record_id == self.shard_key or not self.dataset

    @property
    def shard_key(self) -> str:
        """The first id of its cube."""
        return min(self.record_id, *(partner.record_id for partner in self.partners), key=str)

    def part(self) -> Any:
        """Return which part is wanted, and in what form."""
        if self.crop is not None:
            # What else its file holds is part of the question.
            others = [(p.dataset, p.crop.part()) for p in self.partners if self.dataset]
            return (self.crop.part(), self.dataset, others) if others else self.crop.part()
        return None if self.copy is None else self.copy.parts

    def _own_json(self) -> dict[str, Any]:
        """Return which part is wanted."""
        kept = {"copy": self.copy, "crop": self.crop}
        own: dict[str, Any] = {n: part.to_json() for n, part in kept.items() if part is not None}
        if self.partners:
            own["partners"] = [partner.to_json() for partner in self.partners]
        if self.dataset:
            own["dataset"] = self.dataset
        return own


SpiderOutput: TypeAlias = (
    Item
    | Bookmark
    | Expects
    | Document
    | Unreadable
    | NotFollowed
    | SharedBy
    | Withdrawn
    | Read
    | Quota
)

KINDS: dict[str, type[Item]] = {cls.kind: cls for cls in (ImageItem, FileItem, VolumeItem)}


def from_json(record_id: str, text: str, metadata: Metadata) -> Item:
    """Return the item that `to_json` kept."""
    kept = json.loads(text)
    item = KINDS[kept["kind"]](
        record_id=record_id,
        urls=kept["urls"],
        path=kept["path"],
        metadata=metadata,
        documents=[Document(path, text) for path, text in kept.get("documents", ())],
        quota=kept.get("quota"),
        rank=kept.get("rank", 0),
        digests=kept.get("digests", {}),
        hint=kept.get("hint", ""),
        mask_of=kept.get("mask_of", ""),
    )
    if isinstance(item, VolumeItem):
        item.copy = Copy.from_json(kept["copy"]) if "copy" in kept else None
        item.crop = Crop.from_json(kept["crop"]) if "crop" in kept else None
        item.partners = tuple(map(CubeMember.from_json, kept.get("partners", ())))
        item.dataset = kept.get("dataset", "")
    return item


def merge_failures(failures: list[Missing]) -> Missing:
    """Return one result for an item whose every URL failed: a retryable one if there is any.

    Bytes that came and are wrong tell more than another address that gives them to nobody.
    """
    may_pass = [f for f in failures if f.outcome.retryable]
    if may_pass and all(f.outcome is Outcome.FORBIDDEN for f in may_pass):
        may_pass = [f for f in failures if f.outcome is Outcome.CORRUPT] or may_pass
    first = next(iter(may_pass), failures[0])
    others = {f"{f.message} ({f.url})" for f in failures if f is not first}
    message = "; ".join([first.message, *sorted(others)])
    return replace(first, message=message, tries=sum(f.tries for f in failures))
