"""The words for which Hugging Face's loader takes a folder or a file for a split, taken apart.

``load_dataset("imagefolder")`` finds splits by words in the names of folders and files, and then
leaves out everything else, the table included: a class called "test tube" would be all that is
loaded. Source: datasets 5.2.0, ``data_files.py``: SPLIT_KEYWORDS, NON_WORDS_CHARS and
SPLIT_PATTERN_SHARDED.
"""

from __future__ import annotations

import re

from imgcrawl.text.filenames import with_hash

_WORDS = "training|train|validation|valid|val|dev|testing|test|evaluation|eval"
_APART = r"\-._ 0-9"
# A word between two of these, or at an end: what follows it is replaced.
_SPLIT_WORD = re.compile(rf"(?<![^{_APART}])({_WORDS})(?:[{_APART}]|$)")
_SHARD = re.compile(r"(-\d{5})-of-(?=\d{5})")


def without_split_words(path: str) -> str:
    """Return a safe path in whose parts no split is found. Idempotent.

    A part that had to be changed carries a hash of what it was.
    """
    folders = path.split("/")
    in_data = folders[0] == "data" and len(folders) == 2  # ``data/train-00000-of-00001``
    return "/".join(_apart(part, in_data=in_data) for part in folders)


def _apart(part: str, *, in_data: bool) -> str:
    apart = _SPLIT_WORD.sub(r"\1~", part)
    if in_data:
        apart = _SHARD.sub(r"\1~of~", apart)
    return part if apart == part else with_hash(apart.rstrip("~"), part)
