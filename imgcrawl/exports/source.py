"""What an export goes through: the pictures of a dataset with split, label, key and masks."""

from __future__ import annotations

import csv
import hashlib
import re
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from imgcrawl.dataset.record_columns import MASK
from imgcrawl.exports.groups import hash_of
from imgcrawl.exports.split_request import is_split_name
from imgcrawl.records.errors import ArgumentError, StoreError
from imgcrawl.text.csv_cells import LONGEST_CELL, safe_cell, unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgcrawl.dataset.typed_table import TypedTable
    from imgcrawl.storage.base import Storage

# Formats that Pillow only knows by name: another program would have to read them.
_NEVER_READ = frozenset({"BUFR", "GRIB", "HDF5", "WMF"})
ALL = "all"  # the split of everything, where there are none
_MASK = "/mask/"  # in the id of a record that is the mask of another
_ODD = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_KEY = 80  # characters


@dataclass(slots=True)
class ExportRecord:
    """One picture of an export.

    row:   its columns, typed; key: its name in archives: without dots and slashes, unique
    masks: the rows of its masks
    """

    row: dict[str, Any]
    key: str
    split: str
    label: str
    masks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of its file below OUT."""
        return str(self.row["file_name"])

    @property
    def extension(self) -> str:
        """The extension of its file, in small letters."""
        return PurePosixPath(self.name).suffix.lower() or ".bin"


@dataclass(slots=True)
class LeftOut:
    """How many records are in no export, by reason, with the id of the first of each."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, why: str, record_id: str) -> None:
        """Count a record."""
        self.counts[why] += 1
        self.first.setdefault(why, record_id)

    def lines(self) -> list[str]:
        """Return a line for people for each reason."""
        return [
            f"Left out: {n:,} {why} (the first is {self.first[why]})"
            for why, n in self.counts.items()
        ]


class Splits:
    """The splits of records, as splits.csv has them; 9 bytes a record."""

    def __init__(self, path: Path) -> None:
        self.names: dict[str, int] = {}
        ids, places = array("Q"), array("B")
        csv.field_size_limit(LONGEST_CELL)
        try:
            with path.open(encoding="utf-8", errors="replace", newline="") as file:
                rows = csv.DictReader(file)
                if not {"record_id", "split"} <= set(rows.fieldnames or ()):
                    raise ArgumentError(
                        f"{path} has no columns record_id and split: type a file that "
                        "`scrapy split OUT` writes"
                    )
                for row in rows:
                    name = (row["split"] or "").strip()
                    if not is_split_name(name) or len(self.names) > 200:
                        raise ArgumentError(f"{path}: {name!r} cannot be the name of a split")
                    ids.append(hash_of(unescaped(row["record_id"] or "")))
                    places.append(self.names.setdefault(name, len(self.names)))
        except OSError as error:
            raise ArgumentError(
                f"--split {path} cannot be read ({error.strerror or error}): `scrapy split OUT` "
                "writes one"
            ) from error
        hashes = np.frombuffer(ids, np.uint64) if ids else np.zeros(0, np.uint64)
        order = np.argsort(hashes, kind="stable")
        self._ids = hashes[order]
        self._places = np.frombuffer(places, np.uint8)[order] if ids else np.zeros(0, np.uint8)

    def of(self, record_id: str) -> str | None:
        """Return the split of a record, or None."""
        wanted = np.uint64(hash_of(record_id))
        at = int(np.searchsorted(self._ids, wanted))
        if at == len(self._ids) or self._ids[at] != wanted:
            return None
        return [*self.names][int(self._places[at])]


class ExportSource:
    """The pictures of a dataset, always in the same order.

    label:         the column of the classes, or None
    pictures_only: leave out what no reader of pictures opens
    """

    def __init__(
        self,
        table: TypedTable,
        storage: Storage,
        splits: Splits | None,
        label: str | None,
        *,
        pictures_only: bool = False,
    ) -> None:
        self.table, self.storage = table, storage
        self._splits, self._label, self._pictures_only = splits, label, pictures_only

    def records(self, left_out: LeftOut) -> Iterator[ExportRecord]:
        """Yield the records that have a file and a split; count the others."""
        held: ExportRecord | None = None
        before = None
        for row in self.table.rows():
            record_id = str(row["record_id"])
            is_repeated, before = record_id == before, record_id
            owner, is_mask, _ = record_id.partition(_MASK)
            if held is not None and is_mask and held.row["record_id"] == owner:
                held.masks.append(row)
                continue
            if held is not None:
                yield held
            held = self._record(row, record_id, left_out)
            if held is not None and is_repeated:  # two datasets of a plan have it, side by side
                held.key = key_of(f"{record_id}\0{held.name}")
        if held is not None:
            yield held

    def _record(
        self, row: dict[str, Any], record_id: str, left_out: LeftOut
    ) -> ExportRecord | None:
        if not row.get("file_name"):
            left_out.add("records of which only the metadata was asked for", record_id)
            return None
        if row.get("sha256") is None or self._is_folder(row):
            left_out.add("copies and cubes that are folders", record_id)
            return None
        if self._pictures_only and not is_picture(row.get("format")):
            left_out.add("files that are no pictures to this format's readers", record_id)
            return None
        split = ALL if self._splits is None else self._splits.of(record_id)
        if split is None:
            left_out.add("records that have no split: `scrapy split OUT` gives them one", record_id)
            return None
        label = safe_cell(row.get(self._label)) if self._label else ""
        record = ExportRecord(row, key_of(record_id), split, label)
        if mask := row.get(MASK):
            sha256 = self.table.mask_sha256(record_id, str(mask))
            record.masks.append({"record_id": record_id, "file_name": mask, "sha256": sha256})
        return record

    def _is_folder(self, row: dict[str, Any]) -> bool:
        """Return whether a record is a folder of files: a copied volume, or a chunked cube."""
        if is_picture(row.get("format")):  # which costs no request
            return False
        return (
            self.storage.size(str(row["file_name"])) is None
            and next(iter(self.storage.list(f"{row['file_name']}/")), None) is not None
        )

    def read(self, row: dict[str, Any]) -> bytes | None:
        """Return the bytes of a file, or None if they are not those that were stored.

        Of a mask in a metadata.csv that lies alone, the SHA-256 is not known.
        """
        try:
            with self.storage.open(str(row["file_name"])) as file:
                body = file.read()
        except (OSError, StoreError):
            return None
        is_same = row["sha256"] in {None, hashlib.sha256(body).hexdigest()}
        return body if is_same else None


def is_picture(kind: Any) -> bool:
    """Return whether Pillow, and so what is made with it, reads files of a format."""
    Image.init()
    return kind in Image.OPEN and kind not in _NEVER_READ


def key_of(record_id: str) -> str:
    """Return the key of a record: letters, digits, ``_`` and ``-``; another of each id."""
    plain = _ODD.sub("_", record_id)[:_LONGEST_KEY]
    if plain == record_id and not record_id.startswith("-"):
        return plain
    return f"{plain}-{hashlib.sha256(record_id.encode('utf-8', 'replace')).hexdigest()[:12]}"
