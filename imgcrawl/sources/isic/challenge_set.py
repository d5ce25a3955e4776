"""ChallengeSet: the images of a challenge, read from its official tables, each with its label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.records.errors import ArgumentError, SourceError
from imgcrawl.sources.isic.challenges import CHALLENGES, label_of
from imgcrawl.sources.isic.id_set import IdSet
from imgcrawl.sources.isic.id_table import ListedId, read_id_table
from imgcrawl.sources.isic.image_items import ListedImage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from imgcrawl.sources.isic.challenges import ChallengeTable


class ChallengeSet:
    """Iterable over the images, in the order of the tables, each once; reads them anew each time.

    files:      of its tables
    duplicates: a table of pairs of the same picture, or None
    An image that several tables have is of the split of the first.
    """

    def __init__(self, files: list[_TableFile], duplicates: _TableFile | None) -> None:
        self._files = files
        self._same_as = dict(_pairs(duplicates)) if duplicates else {}
        self._twice = 0

    @classmethod
    async def of(
        cls, name: str, folder: str | None, base: str, fetch_file: Callable[[str], Awaitable[str]]
    ) -> ChallengeSet:
        """Return the set of a name in `CHALLENGES`.

        folder:     the user's, whose files are taken where they have the official names
        base:       the address below which the others are
        fetch_file: downloads a file and returns its path
        Raises SourceError for a table that cannot be had.
        """
        challenge, files = CHALLENGES[name], []
        for table in filter(None, (*challenge.tables, challenge.duplicates)):
            if own := _in_folder(table, folder):
                files.append(_TableFile(table, own, own))
                continue
            url = table.file if "://" in table.file else f"{base}{table.file}"
            try:
                files.append(_TableFile(table, await fetch_file(url), url))
            except SourceError as error:
                raise SourceError(f"{error} {_instead(table)}") from error
        duplicates = files.pop() if challenge.duplicates else None
        return cls(files, duplicates)

    def __iter__(self) -> Iterator[ListedImage]:
        seen = IdSet()
        self._twice = 0
        for file in self._files:
            for row in file.rows():
                if not seen.add(row.isic_id):
                    self._twice += 1
                    continue
                columns = {
                    "label": label_of(row.fields) or None,
                    "split": file.table.split or None,
                    "duplicate_of": self._same_as.get(row.isic_id),
                }
                known = {name: value for name, value in columns.items() if value}
                yield ListedImage(row.isic_id, known)

    def count(self) -> tuple[int, int, int]:
        """Return the number of images, of those without a label, and of rows that repeat one."""
        images = unlabelled = 0
        for image in self:
            images += 1
            unlabelled += "label" not in image.columns
        return images, unlabelled, self._twice


@dataclass(frozen=True, slots=True)
class _TableFile:
    """The file of a table. name: for messages; an address, or the path of a file of the user's"""

    table: ChallengeTable
    path: str
    name: str

    def rows(self) -> Iterator[ListedId]:
        """Yield its rows. Raises ArgumentError for a table of the user's, else SourceError."""
        try:
            yield from read_id_table(self.path, _member(self.table, self.path))
        except ArgumentError as error:
            if self.name == self.path:
                raise
            words = str(error).replace(self.path, self.name)
            raise SourceError(f"{words} {_instead(self.table)}") from error


def _instead(table: ChallengeTable) -> str:
    return f"Put a copy of yours, named {table.name}, into a folder, and type -a tables=FOLDER"


def _pairs(file: _TableFile) -> Iterator[tuple[str, str]]:
    """Yield (image, the image that it is the same as) of a table of duplicates."""
    for row in file.rows():
        first, *others = (str(value).strip() for value in row.fields.values() if value)
        if others:
            yield others[0], first


def _in_folder(table: ChallengeTable, folder: str | None) -> str:
    """Return the path of the user's copy of a table, unpacked or not; empty if there is none."""
    if folder is None:
        return ""
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise ArgumentError(f"tables={folder} is no folder.")
    stem = table.name.partition(".")[0]
    names = (table.name, f"{stem}.csv", f"{stem}.tab", f"{stem}/{stem}.csv", stem)
    return next((str(root / name) for name in names if (root / name).is_file()), "")


def _member(table: ChallengeTable, path: str) -> str:
    """Return the member of a zip that is the table."""
    with Path(path).open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    return f"{table.name.removesuffix('.zip')}.csv" if is_zip else ""
