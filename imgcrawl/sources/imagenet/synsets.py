"""ImageNet's classes, offline: WordNet 3.0 names, definitions and hierarchy of 21,841 synsets.

``imgcrawl/data/synsets.tsv.gz`` also holds all their hypernyms and the order of the 1000 ILSVRC
classes; see ``imgcrawl/data/ORIGINS.md``.
"""

from __future__ import annotations

import gzip
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.lists.lines import decoded
from imgcrawl.records.errors import ArgumentError
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_WNIDS_FILE = 64 << 20  # bytes
_PLAINLY, _MANY = 1.5, 10  # times as many synsets below it as the next one has, and so many
WNID = re.compile(r"n\d{8}")  # the part of speech and the offset in WordNet 3.0

_WNID_OF_LINE = re.compile(
    rf"(?<![\w-])(?:[\w.~-]*[/\\])*({WNID.pattern})(?:\.(?:tar|tgz|zip|txt)[\w.]*|[/\\])?(?![\w-])"
)


@dataclass(frozen=True, slots=True)
class Synset:
    """A class. `wnid` is its id; its label is not unique (crane is two synsets)."""

    wnid: str
    label: str
    lemmas: str  # all its words, "tench, Tinca tinca"
    definition: str

    def __str__(self) -> str:
        return f"{self.wnid} ({self.lemmas}: {self.definition[:60]})"


class Synsets:
    """All synsets of the data file; rows are parsed when asked for."""

    def __init__(self) -> None:
        self._rows: dict[str, list[str]] = {}
        with files("imgcrawl.data").joinpath("synsets.tsv.gz").open("rb") as raw:
            for line in gzip.decompress(raw.read()).decode().splitlines():
                wnid, *row = line.split("\t")
                self._rows[wnid] = row

    def get(self, wnid: str) -> Synset | None:
        """Return the synset of a wnid, or None if ImageNet and its hypernyms have none."""
        row = self._rows.get(wnid)
        if row is None:
            return None
        _, _, _, label, lemmas, definition = row
        return Synset(wnid, label or lemmas.split(", ")[0], lemmas, definition)

    def listed(self) -> set[str]:
        """Return the 21,841 wnids that ImageNet (fall 2011) has pictures of."""
        return {wnid for wnid, row in self._rows.items() if row[1]}

    def ilsvrc2012(self) -> list[str]:
        """Return the 1000 classes of the ILSVRC 2012, in the order of their indices."""
        indexed = {int(row[2]): wnid for wnid, row in self._rows.items() if row[2]}
        return [indexed[index] for index in sorted(indexed)]

    def subtree(self, wnid: str) -> list[str]:
        """Return a synset and all below it that have pictures, nearest first."""
        found, level = {wnid: None}, [wnid]
        while level:
            level = [child for parent in level for child in self._children.get(parent, ())]
            level = [child for child in dict.fromkeys(level) if child not in found]
            found |= dict.fromkeys(level)
        return [each for each in found if self._has_pictures(each)]

    def find(self, name: str) -> str:
        """Return the wnid of a wnid or a name, in any case.

        Raises ArgumentError for a name that several synsets have, with these, or none has.
        """
        wnids = self._called(name)
        if len(wnids) > 1:
            wnids = [wnid for wnid in wnids if self._has_pictures(wnid)] or wnids
        if len(wnids) == 1:
            return wnids[0]
        raise ArgumentError(
            f"{name} is {len(wnids)} synsets, name one by its wnid: " + self._all(wnids)
        )

    def find_root(self, name: str) -> tuple[str, str]:
        """Return the wnid of a wnid or a name whose subtree is wanted, and words if it was chosen.

        Of several synsets of a name, that one is meant that has others below it; of several such,
        the one that has the name as its first, or by far the most below.
        Raises ArgumentError as `find` does.
        """
        wnids = self._called(name)
        if len(wnids) == 1:
            return wnids[0], ""
        below = {wnid: len(self.subtree(wnid)) for wnid in wnids}
        wide = {wnid: n for wnid, n in below.items() if n > 1}
        first = {wnid: n for wnid, n in wide.items() if self._first_name(wnid) == _bare(name)}
        ranked = sorted(first or wide, key=lambda wnid: -below[wnid])
        is_plain = len(ranked) == 1 or (
            len(ranked) > 1
            and below[ranked[0]] >= _PLAINLY * below[ranked[1]]
            and below[ranked[0]] >= _MANY
        )
        if not is_plain:
            raise ArgumentError(
                f"{name} is {len(wnids)} synsets, name one by its wnid: " + self._all(wnids)
            )
        best = ranked[0]
        others = self._all([wnid for wnid in wnids if wnid != best])
        return best, f"{name} is taken for {self.get(best)}, and not for {others}"

    def _called(self, name: str) -> list[str]:
        """Return the synsets that have a name, or the one of a wnid. Raises ArgumentError."""
        if WNID.fullmatch(name):
            if name not in self._rows:
                raise ArgumentError(f"{name} is no synset of ImageNet.")
            return [name]
        if wnids := self._names.get(_bare(name)):
            return wnids
        raise ArgumentError(f"no class is called {name!r}{self._like(_bare(name))}")

    def _like(self, name: str) -> str:
        """Return a question after the names that have the words of a name, or look like it."""
        words = set(name.split())
        having = [known for known in self._names if words <= {*known.split()}]
        if having:
            return f": did you mean {', '.join(map(repr, sorted(having, key=len)[:3]))}?"
        return did_you_mean(name, self._names)

    def _has_pictures(self, wnid: str) -> bool:
        return bool(self._rows[wnid][1] or self._rows[wnid][2])

    def _first_name(self, wnid: str) -> str:
        return _bare(self._rows[wnid][4].split(", ")[0])

    def _ambiguous(self, name: str, wnids: list[str]) -> ArgumentError:
        return ArgumentError(
            f"{name} is {len(wnids)} synsets, name one by its wnid: {self._all(wnids)}"
        )

    def _all(self, wnids: list[str]) -> str:
        return "; ".join(str(self.get(wnid)) for wnid in wnids)

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for wnid, (_, _, _, label, lemmas, _) in self._rows.items():
            for name in dict.fromkeys(map(_bare, (*lemmas.split(", "), label))):
                if name:
                    names.setdefault(name, []).append(wnid)
        return names

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        for wnid, (parents, *_) in self._rows.items():
            for parent in filter(None, parents.split(",")):
                children.setdefault(parent, []).append(wnid)
        return children


def read_wnids(text: Iterable[str], where: str) -> dict[str, str]:
    """Return the classes of a list: wnid -> label, empty if the list gives none.

    A line is a wnid, ``label,wnid`` (the published file of the 1000 classes) or ``wnid label``;
    a wnid may be the name of a folder or of an archive, ``train/n01440764/``, ``n01440764.tar``;
    blank lines and those that begin with ``#`` are passed over.
    Raises ArgumentError with the first line that names no wnid.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text, 1):
        line = line.strip().lstrip("\ufeff")
        if not line or line.startswith("#") or (number == 1 and _is_header(line)):
            continue
        match = _WNID_OF_LINE.search(line)
        if match is None:
            raise ArgumentError(
                f"{where}, line {number}: no wnid such as n01440764 in {line[:80]!r}"
            )
        rest = (line[: match.start()] + line[match.end() :]).strip(" \t,;\"'")
        # map_clsloc.txt: the number of the class stands between.
        found.setdefault(match[1], re.sub(r"^\d+\s+(?=\D)", "", rest))
    if not found:
        raise ArgumentError(f"{where} holds no wnids.")
    return found


def read_wnids_file(name: str) -> dict[str, str]:
    """Return the classes in a file, or in standard input for ``-``, as `read_wnids` does.

    Raises ArgumentError.
    """
    if name == "-":
        return read_wnids(sys.stdin, "standard input")
    try:
        raw = Path(name).expanduser().read_bytes()
    except OSError as error:
        raise ArgumentError(f"{name} cannot be read: {error.strerror}.") from error
    if len(raw) > MAX_WNIDS_FILE:
        raise ArgumentError(f"{name} is no list of wnids: it has {len(raw):,} bytes.")
    return read_wnids(decoded(raw).splitlines(), name)


def _is_header(line: str) -> bool:
    return bool(re.search(r"\b(wnid|synset|label|class)", line.lower())) and not WNID.search(line)


def _bare(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()
