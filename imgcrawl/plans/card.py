"""README.md of a plan's OUT: what it holds, and which table Hugging Face's loader is to read.

Below a plan's OUT there is the table of each crawl, too: a loader that takes all tables it finds
would have every picture twice, and of crawls with folders for splits nothing else.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from imgcrawl.dataset.dataset_table import CsvTable
from imgcrawl.storage.directory import FAILURES, METADATA, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgcrawl.storage.directory import OutputDirectory

CARD = "README.md"
_MARK = "<!-- written by imgcrawl -->"
# By the extension of one picture the loader finds out that these are pictures: see its imagefolder.
_KINDS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_PATTERN = frozenset("*?[]{}:\\")  # what its patterns of file names give a meaning


def write_card(out: OutputDirectory, names: Iterable[str]) -> None:
    """Write the card of a plan's OUT whose tables are merged, unless there is somebody else's.

    names: of the crawls. Without a picture that the loader reads there is no card.
    """
    path = out.root / CARD
    try:
        if path.is_symlink() or _MARK not in path.read_text("utf-8", "replace"):
            return
    except FileNotFoundError:
        pass
    picture, is_below = _first_picture(out)
    if picture is None or not is_below:
        path.unlink(missing_ok=True)
        return
    out.write(CARD, lambda file: _write(file, picture, names))


def _first_picture(out: OutputDirectory) -> tuple[str | None, bool]:
    """Return the name of a picture, and whether all files lie below OUT, as the loader wants it."""
    found = None
    for row in CsvTable(out.root / METADATA).rows():
        name = row.get("file_name", "")
        if name.startswith("../"):
            return None, False
        kind = PurePosixPath(name).suffix.lower()
        if found is None and kind in _KINDS and name.isascii() and _PATTERN.isdisjoint(name):
            found = name
    return found, True


def _write(file: IO[str], picture: str, names: Iterable[str]) -> None:
    lines = ["---", "configs:", "- config_name: default", "  data_files:", "  - split: train"]
    lines += ["    path:", f"    - {METADATA}", f"    - {json.dumps(picture)}", "---", _MARK, ""]
    lines += [
        f"`{METADATA}` and `{FAILURES}` have the rows of all crawls, `{SUMMARY}` their state."
    ]
    lines += ["The column `dataset` is the folder that a crawl wrote:", ""]
    lines += [f"- `{name}/`" for name in names]
    file.write("\n".join(lines) + "\n")
