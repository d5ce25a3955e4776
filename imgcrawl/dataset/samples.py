"""The rows that loaders read: stored records, a mask in the row of its picture and none of its own.

The loader of Hugging Face makes a picture of a column that is called ``*_file_name``, so that a
sample has ``image`` and ``mask``. masks.csv has every mask, of a picture that has several, too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imgcrawl.dataset.record_columns import FIXED_COLUMNS, MASK, metadata_row, own_column
from imgcrawl.dataset.typed_rows import write_rows
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import MASKS
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

MASK_OF = "mask_of"  # the column of masks.csv that names the record of the picture


def samples(ledger: Ledger) -> Iterator[LedgerEntry]:
    """Yield the stored records that are no masks, each with its best mask, by their ids."""
    if MASK not in ledger.columns():
        yield from ledger.entries([Outcome.STORED])
        return
    ledger.index_masks()
    for entry in ledger.entries([Outcome.STORED]):
        if not entry.mask_of:
            yield replace(entry, mask=ledger.best_mask(entry.record_id))


def write_masks(out: OutputDirectory, ledger: Ledger) -> None:
    """Write masks.csv anew from the ledger, if there are masks."""
    if MASK not in ledger.columns():
        out.discard(MASKS)
        return
    names = sorted({own_column(name) for entry in _masks(ledger) for name in entry.metadata})
    header = [*FIXED_COLUMNS, MASK_OF, *names]

    def rows() -> Iterator[list[str]]:
        for entry in _masks(ledger):
            cells = metadata_row(entry, names)
            width = len(FIXED_COLUMNS)
            yield [*cells[:width], safe_cell(entry.mask_of), *cells[width:]]

    out.write(MASKS, lambda file: write_rows(file, header, rows, len(FIXED_COLUMNS)))


def _masks(ledger: Ledger) -> Iterator[LedgerEntry]:
    return (entry for entry in ledger.entries([Outcome.STORED]) if entry.mask_of)
