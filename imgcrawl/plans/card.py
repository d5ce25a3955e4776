"""README.md of a plan's OUT: what it holds, and which table Hugging Face's loader is to read.

Below a plan's OUT there is the table of each crawl, too: a loader that takes all tables it finds
would have every picture twice, and of crawls with folders for splits nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.dataset.dataset_table import CsvTable
from imgcrawl.dataset.loader_card import tells_pictures
from imgcrawl.dataset.loader_card import write_card as write_loaders_card
from imgcrawl.storage.directory import FAILURES, METADATA, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgcrawl.storage.directory import OutputDirectory


def write_card(out: OutputDirectory, names: Iterable[str]) -> None:
    """Write the card of a plan's OUT whose tables are merged, unless there is somebody else's.

    names: of the crawls. Without a picture that the loader reads there is no card.
    """
    lines = [f"`{METADATA}` and `{FAILURES}` have the rows of all crawls, `{SUMMARY}` states;"]
    lines += ["the column `dataset` is the folder that a crawl wrote:", ""]
    write_loaders_card(out, _first_picture(out), [*lines, *(f"- `{name}/`" for name in names)])


def _first_picture(out: OutputDirectory) -> str | None:
    """Return the name of a picture; None also if files lie outside, where the loader reads none."""
    found = None
    for row in CsvTable(out.root / METADATA).rows():
        name = row.get("file_name", "")
        if name.startswith("../"):
            return None
        found = found or (name if tells_pictures(name) else None)
    return found
