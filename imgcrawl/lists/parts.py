"""The parts of a list: a folder, a glob, names with commas between them; one dataset for all."""

from __future__ import annotations

import glob
import re
from pathlib import Path, PurePath

from imgcrawl.records.errors import ArgumentError

_REMOTE = re.compile(r"(https?|s3|gs|hf)://", re.IGNORECASE)
_LISTS = frozenset((".txt", ".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet"))
_PACKED = frozenset((".gz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".tgz"))
_BESIDE = frozenset(("readme", "license", "licence", "changelog", "requirements"))


def is_remote(source: str) -> bool:
    """Return True for a list, or a place with lists, that is not on this machine."""
    return _REMOTE.match(source) is not None


def parts_of(source: str) -> list[str]:
    """Return the parts of a list, each a path, an address or ``-``, in the order of their names.

    Raises ArgumentError for a folder or a glob without lists.
    """
    if source == "-" or _is_there(source.partition("#")[0]):
        return _parts_of_one(source)
    names = [name.strip() for name in source.split(",")]
    if len(names) > 1 and all(is_remote(n) or _is_there(n.partition("#")[0]) for n in names):
        return [part for name in names for part in _parts_of_one(name)]
    return _parts_of_one(source)


def name_of_parts(source: str) -> str:
    """Return what a name can be made of for all parts of a list: its folder, or its first part."""
    parts = source.split(",")
    first = parts[0].strip() if len(parts) > 1 and all(map(_is_there_or_remote, parts)) else source
    if not is_remote(first) and glob.has_magic(first) and not Path(first).expanduser().exists():
        stem = re.split(r"[*?\[]", PurePath(first).name)[0].strip("-_. ")
        return stem or PurePath(first).parent.name
    return first.rstrip("/")


def _parts_of_one(source: str) -> list[str]:
    if source == "-" or is_remote(source):
        return [source]
    path = Path(source).expanduser()
    if path.is_dir():
        found = sorted(str(each) for each in path.rglob("*") if is_list(each.relative_to(path)))
        if not found:
            raise ArgumentError(
                f"{source} is a folder without lists (txt, csv, json, parquet ...)."
            )
        return found
    if glob.has_magic(source) and not path.exists():
        found = [each for each in _matching(source) if Path(each).is_file()]
        if not found:
            raise ArgumentError(f"{source} is the name of no file.")
        return found
    return [source]


def is_list(path: PurePath) -> bool:
    """Return True if a file of a folder is a part of a list, by its name."""
    if any(part.startswith((".", "_")) for part in path.parts):
        return False
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    stem = path.name.partition(".")[0].lower()
    return bool(suffixes) and suffixes[-1] in _LISTS and stem not in _BESIDE


def _matching(pattern: str) -> list[str]:
    if not glob.has_magic(pattern):
        return []
    path = str(Path(pattern).expanduser())
    return sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - it may be absolute


def _is_there(name: str) -> bool:
    path = Path(name).expanduser()
    try:
        return path.exists() or bool(_matching(name))
    except (OSError, ValueError):
        return False


def _is_there_or_remote(name: str) -> bool:
    return is_remote(name.strip()) or _is_there(name.strip())
