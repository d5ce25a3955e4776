"""The tables in the folders of a contest's splits, for loaders that take a folder for a split.

Hugging Face's loader reads the table in ``train/`` and not that of OUT where there is such a
folder. Typed tables: in a CSV the labels of a test split, of which there are none, would be numbers
that no other split has.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.dataset_table import LedgerTable
from imgcrawl.dataset.typed_table import TypedTable
from imgcrawl.records.extras import is_installed
from imgcrawl.storage.directory import SPLIT_TABLE, SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)


def write_split_tables(out: OutputDirectory, ledger: Ledger) -> None:
    """Write ``train/metadata.parquet`` and the like if every stored file lies in such a folder."""
    folders = ledger.top_folders(SPLITS)
    if not folders or not folders <= set(SPLITS):
        for split in SPLITS:
            if (out.root / split).is_dir():
                out.discard(f"{split}/{SPLIT_TABLE}")
        return
    if not is_installed("parquet"):
        logger.warning(
            "Tables of the splits (%s/%s ...) need pyarrow, and without them Hugging Face's loader "
            "finds no columns. Type: pip install 'imgcrawl[parquet]', then scrapy rebuild OUT",
            min(folders),
            SPLIT_TABLE,
        )
        return
    table = TypedTable(LedgerTable(ledger))
    for split in sorted(folders):
        rows = _rows(table, f"{split}/")
        out.write_file(f"{split}/{SPLIT_TABLE}", partial(table.write, rows=rows))


def _rows(table: TypedTable, folder: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of the files in a folder, their names relative to it."""
    for row in table.rows():
        if (row["file_name"] or "").startswith(folder):
            yield row | {"file_name": row["file_name"].removeprefix(folder)}
