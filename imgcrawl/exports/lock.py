"""The lock of an OUT: what its records are, byte for byte, and where each was found."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import imgcrawl
from imgcrawl.dataset.dataset_table import CsvTable
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.record_columns import FIXED_COLUMNS, PICTURE_COLUMNS
from imgcrawl.exports.lock_file import LockedRecord, write_lock_file
from imgcrawl.records.items import Stored, VolumeItem
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import DATASET_LOCK, LEDGER, METADATA, SUMMARY
from imgcrawl.text.redact import without_secrets
from imgcrawl.text.signed_urls import stable_address
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory

_NOT_OWN = frozenset({*FIXED_COLUMNS, *PICTURE_COLUMNS})


@dataclass(slots=True)
class LockFigures:
    """How many records are locked, their bytes, and how many cannot be, by reason."""

    locked: int = 0
    bytes: int = 0
    volumes: int = (
        0  # cubes and copies: they have a description of their own to be fetched again by
    )
    no_file: int = 0
    no_address: int = 0  # locked, but no address of theirs may be told


def write_lock(
    out: OutputDirectory,
    storage: Storage,
    progress: Callable[[int], object] = lambda _: None,
) -> LockFigures:
    """Write dataset.lock.json of an OUT. progress: is called with the records so far."""
    figures = LockFigures()

    def counted(records: Iterable[LockedRecord]) -> Iterator[LockedRecord]:
        for record in records:
            figures.locked += 1
            figures.bytes += record.bytes or 0
            figures.no_address += not record.urls
            progress(figures.locked)
            yield record

    def write(file: Any) -> None:
        write_lock_file(file, _head(storage), counted(locked_records(out, figures)))

    out.write(DATASET_LOCK, write)
    return figures


def locked_records(out: OutputDirectory, figures: LockFigures) -> Iterator[LockedRecord]:
    """Yield the records of an OUT that can be locked, and count the others."""
    if not (out.root / LEDGER).is_file():
        yield from _of_table(CsvTable(out.root / METADATA), figures)
        return
    with closing(Ledger(out.root / LEDGER)) as ledger:
        for entry in ledger.entries([Outcome.STORED]):
            if (record := _of_entry(entry, figures)) is not None:
                yield record


def _of_entry(entry: LedgerEntry, figures: LockFigures) -> LockedRecord | None:
    stored, item = entry.result, entry.to_item()
    assert isinstance(stored, Stored)
    if isinstance(item, VolumeItem):
        figures.volumes += 1
        return None
    if stored.file_name is None or stored.sha256 is None:
        figures.no_file += 1
        return None
    urls = _addresses([stored.url, *item.urls, stored.final_url])
    return LockedRecord(
        entry.record_id,
        urls,
        stored.sha256,
        stored.bytes,
        stored.file_name,
        item.kind,
        entry.metadata,
        item.mask_of,
    )


def _of_table(table: CsvTable, figures: LockFigures) -> Iterator[LockedRecord]:
    before = None
    for row in table.rows():
        is_repeated, before = row["record_id"] == before, row["record_id"]
        if not row.get("file_name") or not row.get("sha256"):
            figures.no_file += 1
            continue
        columns = {name: cell for name, cell in row.items() if name not in _NOT_OWN and cell}
        size = int(row["bytes"]) if row.get("bytes", "").isdigit() else None
        kind = "image" if row.get("format") else "file"
        urls = _addresses([row.get("url"), row.get("final_url")])
        name, sha256 = row["file_name"], row["sha256"]
        # Two datasets of a plan may have the same id; their rows stand side by side.
        record_id = f"{row['record_id']} ({name})" if is_repeated else row["record_id"]
        yield LockedRecord(record_id, urls, sha256, size, name, kind, columns)


def _addresses(urls: Iterable[str | None]) -> list[str]:
    """Return addresses, each once, without secrets: one that has others than these is left out.

    What a signature or a key opened may be open without it; its SHA-256 will tell.
    """
    found = (_bare(url) for url in urls if url)
    return [*dict.fromkeys(url for url in found if without_secrets(url) == url)]


def _bare(url: str) -> str:
    """Return an address without the parameters that are secret, or belong to a signature."""
    if without_secrets(url) == url:
        return url
    address, mark, query = stable_address(url).partition("?")
    kept = [part for part in query.split("&") if without_secrets(f"{address}?{part}")[-3:] != "***"]
    scheme = url.partition("://")[0] + ":" if address.startswith("//") else ""
    return f"{scheme}{address}{mark if kept else ''}{'&'.join(kept)}"


def _head(storage: Storage) -> dict[str, Any]:
    """Return what stands on top: what was asked, by what, and when it was locked."""
    summary: dict[str, Any] = {}
    try:
        if (kept := storage.read(SUMMARY)) is not None:
            summary = json.loads(kept.data)
    except (OSError, ValueError):
        summary = {}
    versions = {"imgcrawl": imgcrawl.__version__}
    return {
        "spider": summary.get("spider"),
        "arguments": summary.get("arguments", {}),
        "versions": summary.get("versions", versions),
        "locked_at": utc_now(),
    }
