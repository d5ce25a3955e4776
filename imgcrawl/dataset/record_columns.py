"""The columns of metadata.csv, and the row of a record."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from imgcrawl.records.items import Stored
from imgcrawl.text.csv_cells import safe_cell
from imgcrawl.text.redact import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.dataset.ledger import Ledger

FIXED_COLUMNS = (
    "file_name",
    "record_id",
    "url",
    "final_url",
    "sha256",
    "bytes",
    "format",
    "width",
    "height",
    "mode",
    "downloaded_at",
    "source",
)
# Properties of the picture itself; they stand among the dataset's own columns.
PICTURE_COLUMNS = ("frames", "orientation", "suspect")
OUTDATED = "outdated"  # why a record has the file of an earlier question still
# What is told of a picture's mask in its row. The first is a loader's, and never a source's own.
MASK = "mask_file_name"
MASK_COLUMNS = (MASK, "mask_skill", "mask_source")
_of_picture = attrgetter(*PICTURE_COLUMNS)
_fixed = attrgetter(*(name for name in FIXED_COLUMNS if name != "record_id"))

# A hostile source could invent a column per record; beyond this many they are in the ledger only.
MAX_COLUMNS = 1000


@lru_cache(maxsize=MAX_COLUMNS)
def own_column(name: str) -> str:
    """Return the column of a dataset's field: its name, with an underscore if that is taken."""
    taken = name in FIXED_COLUMNS or name in PICTURE_COLUMNS or name == OUTDATED
    return safe_cell(f"{name}_" if taken or _is_the_loaders(name) else name)[:200]


def _is_the_loaders(name: str) -> bool:
    """Return whether Hugging Face's loader takes a column of this name for pictures."""
    return name in {"image", "images"} or name.endswith(("file_name", "file_names"))


def table_columns(ledger: Ledger) -> list[str]:
    """Return the names of the dataset's own columns as they stand in metadata.csv, sorted.

    Columns that an earlier version has noted under a name of the loader's have their new one.
    """
    names = (
        f"{name}_" if _is_the_loaders(name) and name != MASK else name for name in ledger.columns()
    )
    return sorted(set(names))


def record_values(entry: LedgerEntry) -> dict[str, Any]:
    """Return the values of a stored record by column, in the order of metadata.csv.

    URLs are without secrets; nothing else is changed.
    """
    stored = entry.result
    assert isinstance(stored, Stored)
    name, url, final_url, *rest = _fixed(stored)
    public = public_url(url)
    final = public if final_url == url else public_url(final_url)
    fixed = (name, entry.record_id, public, final, *rest)
    return dict(zip(FIXED_COLUMNS, fixed, strict=True)) | _own_values(entry, stored)


def _own_values(entry: LedgerEntry, stored: Stored) -> dict[str, Any]:
    own: dict[str, Any] = {own_column(name): value for name, value in entry.metadata.items()}
    own.update(zip(PICTURE_COLUMNS, _of_picture(stored), strict=True))
    if entry.mask is not None and isinstance(entry.mask.result, Stored):
        own |= {name: entry.mask.metadata.get(name) for name in MASK_COLUMNS}
        own[MASK] = entry.mask.result.file_name
    if entry.outdated:
        own[OUTDATED] = without_secrets(str(entry.outdated))
    return own


def metadata_row(entry: LedgerEntry, columns: Iterable[str]) -> list[str]:
    """Return the cells of a stored record: the fixed columns, then `columns`."""
    stored = entry.result
    assert isinstance(stored, Stored)
    own = _own_values(entry, stored)
    name, url, final_url, *rest = _fixed(stored)
    urls = (public_url(url), public_url(final_url))
    cells = (name, entry.record_id, *urls, *rest, *(own.get(name) for name in columns))
    return [safe_cell(value) for value in cells]


def public_url(url: str | None) -> str | None:
    """Return a URL without secrets: tables are given away with the pictures."""
    return without_secrets(url) if url else url
