"""README.md of an OUT whose own table Hugging Face's loader would pass over: it names that table.

The loader takes a word such as ``test`` in the name of a file for a split, and leaves out
everything else. Pictures have other names for it, but files that belong together keep theirs.
Source: datasets 5.2.0, ``data_files.py`` and ``load.py``.
"""

from __future__ import annotations

import json
import logging
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from imgcrawl.storage.directory import CARD, METADATA, STORE_NOTES
from imgcrawl.text.split_words import without_split_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)

_MARK = "<!-- written by imgcrawl -->"
# By the extension of one picture the loader finds out that these are pictures: see its imagefolder.
_KINDS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_PATTERN = frozenset("*?[]{}:\\")  # what its patterns of file names give a meaning


def write_loader_card(out: OutputDirectory, ledger: Ledger) -> None:
    """Write the card of an OUT where the names of its files have words of splits.

    Not of one in an object store, where somebody else's would not be seen from here.
    """
    if (out.root / STORE_NOTES).exists():
        return
    picture, has_words = None, False
    for name in ledger.named_files():
        has_words = has_words or without_split_words(name) != name
        picture = picture or (name if tells_pictures(name) else None)
        if picture and has_words:
            break
    is_needed = picture if has_words else None
    if write_card(out, is_needed, ["The table of all files is `metadata.csv`."]) and is_needed:
        logger.info(
            "Names of files have words that Hugging Face's loader takes for splits: it is given "
            'the folder itself, load_dataset("%s"), where %s names the table.',
            *(out.root, CARD),
        )


def tells_pictures(name: str) -> bool:
    """Return whether the loader finds out by a file's name that it has pictures to read."""
    is_picture = PurePosixPath(name).suffix.lower() in _KINDS
    return is_picture and name.isascii() and _PATTERN.isdisjoint(name)


def write_card(out: OutputDirectory, picture: str | None, words: Iterable[str]) -> bool:
    """Write a card, or remove it; return False, and do neither, if there is somebody else's.

    picture: the name of one, or None if no card is needed; words: lines for people
    """
    path = out.root / CARD
    try:
        if path.is_symlink() or _MARK not in path.read_text("utf-8", "replace"):
            return False
    except FileNotFoundError:
        if picture is None:
            return True
    if picture is None:
        out.discard(CARD)
        return True

    def write(file: IO[str]) -> None:
        lines = ["---", "configs:", "- config_name: default", "  data_files:", "  - split: train"]
        lines += ["    path:", f"    - {METADATA}", f"    - {json.dumps(picture)}", "---"]
        file.write("\n".join([*lines, _MARK, "", *words]) + "\n")

    out.write(CARD, write)
    return True
