"""The record of an EMPIAR entry, and what its index leaves out."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import Any

from imgcrawl.records.errors import SourceError
from imgcrawl.sources.repositories.record import RepositoryRecord

_MAX_NAME = 255  # characters of a file name; what is longer is none
_MAX_GAPS = 100_000  # names derived from gaps; an entry may say any number
# The voxel types of EMPIAR's schema (empiar.xsd, T1 to T9) that a file can have as they are; files
# have bits and half bytes (BIT, 4 BIT INTEGER) in whole bytes, or in their own way.
_DTYPES = {
    "UNSIGNED BYTE": "uint8",
    "SIGNED BYTE": "int8",
    "UNSIGNED 16 BIT INTEGER": "uint16",
    "SIGNED 16 BIT INTEGER": "int16",
    "UNSIGNED 32 BIT INTEGER": "uint32",
    "SIGNED 32 BIT INTEGER": "int32",
    "32 BIT FLOAT": "float32",
}
# Of these a file holds many: their number is not that of the files.
_STACKED = re.compile(r"particle|class average|stack", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Imageset:
    """A directory of images and those below it, as the record describes them.

    count:    images, of which a file may hold many (`counts_files`)
    pixel_nm: (x, y); the record has angstrom
    """

    name: str
    directory: str  # "data", "data/sub"
    count: int
    category: str
    format: str
    voxel_type: str  # the record's words
    width: int | None
    height: int | None
    pixel_nm: tuple[float | None, float | None]
    details: str

    @property
    def counts_files(self) -> bool:
        """Whether there are as many files as images, or more."""
        return not _STACKED.search(self.category)

    def columns(self) -> dict[str, Any]:
        """Return the columns of a file of this set, by what the record says."""
        dtype = _DTYPES.get(self.voxel_type.upper())
        x, y = self.pixel_nm
        columns = {
            "imageset": self.name,
            "imageset_format": self.format,
            "dtype": dtype,
            "voxel_type": None if dtype else self.voxel_type,
            "size_x": self.width,
            "size_y": self.height,
            "voxel_x_nm": x,
            "voxel_x_from": "record: EMPIAR" if x else None,
            "voxel_y_nm": y,
            "voxel_y_from": "record: EMPIAR" if y else None,
            "details": self.details,
        }
        return {name: value for name, value in columns.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class EmpiarEntry:
    """An entry of EMPIAR."""

    title: str
    doi: str
    authors: str
    experiment: str
    size: str
    imagesets: list[Imageset]
    number: str = ""
    updated: str = ""  # the day of its last change
    released: str = ""
    status: str = ""  # "REL" of one that is released

    @property
    def is_held(self) -> bool:
        """Whether its files are held back, until a paper is out or a day has come."""
        return self.status.upper() not in {"", "REL"}

    @property
    def record(self) -> RepositoryRecord:
        """The entry as any repository's record: how it is cited, and which version it is."""
        return RepositoryRecord(
            repository="EMPIAR",
            page=f"https://www.ebi.ac.uk/empiar/EMPIAR-{self.number}/",
            number=f"EMPIAR-{self.number} {self.updated}".strip(),
            series=f"EMPIAR-{self.number}",
            title=self.title,
            doi=self.doi,
            version=self.updated,
            authors=tuple(filter(None, self.authors.split(", "))),
            license="CC0",
            license_url="https://creativecommons.org/publicdomain/zero/1.0/",
            date=self.released,
        )

    def __str__(self) -> str:
        count = sum(imageset.count for imageset in self.imagesets)
        return f"{self.title} ({self.doi}): {count:,} images in the record, {self.size}."

    def imagesets_of(self, directory: str) -> list[Imageset]:
        """Return the sets of the nearest directory that is this one, or above it."""
        above = f"{directory}/"
        holding = [each for each in self.imagesets if above.startswith(f"{each.directory}/")]
        nearest = max((each.directory for each in holding), key=len, default=None)
        return [each for each in holding if each.directory == nearest]

    def columns(self, directory: str) -> dict[str, Any]:
        """Return the columns of a file in a directory, by what the record says of both.

        Where several sets share a directory, what they agree on.
        """
        columns = {
            "title": self.title,
            "doi": self.doi,
            "authors": self.authors,
            "license": "CC0",
            "copyright_license": "CC0",
            "attribution": self.record.attribution,
            "version": self.updated or None,
            "experiment": self.experiment,
        }
        told = [each.columns() for each in self.imagesets_of(directory)]
        agreed = (
            {k: v for k, v in told[0].items() if all(t.get(k) == v for t in told)} if told else {}
        )
        return {name: value for name, value in columns.items() if value is not None} | agreed


def parse_entry(answer: Any, number: str) -> EmpiarEntry:
    """Return the record in an answer of the API. Raises SourceError if it holds none."""
    record = answer.get(f"EMPIAR-{number}") if isinstance(answer, dict) else None
    if not isinstance(record, dict):
        raise SourceError(f"EMPIAR's answer holds no record of EMPIAR-{number}.")
    names = []
    for author in _listed(record, "authors"):
        person = author.get("author") if isinstance(author, dict) else None
        if isinstance(person, dict) and person.get("name"):
            names.append(str(person["name"]))
    imagesets = [_imageset(each) for each in _listed(record, "imagesets") if isinstance(each, dict)]
    return EmpiarEntry(
        str(record.get("title") or ""),
        str(record.get("entry_doi") or ""),
        ", ".join(names),
        str(record.get("experiment_type") or ""),
        str(record.get("dataset_size") or ""),
        imagesets,
        number,
        str(record.get("update_date") or ""),
        str(record.get("release_date") or ""),
        str(record.get("status") or ""),
    )


def _listed(record: dict[str, Any], name: str) -> list[Any]:
    """Return a list of the record; one object is a list of one."""
    found = record.get(name)
    if isinstance(found, dict):
        return [found]
    return found if isinstance(found, list) else []


def missing_names(listed: list[str], count: int) -> tuple[list[str], int]:
    """Return the names that an index leaves out of a numbered series, and how many stay unknown.

    listed: paths below a directory; those of the most frequent extension are taken for the images
    count:  how many there should be. Names are derived from the gaps in their numbers alone.
    """
    extensions = Counter(name.rpartition(".")[2].lower() for name in listed)
    if not extensions:
        return [], count
    most = extensions.most_common(1)[0][0]
    images = [name for name in listed if name.rpartition(".")[2].lower() == most]
    short = count - len(images)
    if short <= 0:
        return [], 0
    series: defaultdict[tuple[str, str, int], set[int]] = defaultdict(set)
    for name in images:
        if len(name.rpartition("/")[2]) > _MAX_NAME:
            continue
        if match := re.fullmatch(r"(.*?)(\d+)(\D*\.\w+)", name, re.ASCII):
            series[match[1], match[3], len(match[2])].add(int(match[2]))
    between = (
        f"{before}{number:0{width}}{after}"
        for (before, after, width), numbers in series.items()
        if max(numbers) - min(numbers) < 2 * count
        for number in range(min(numbers), max(numbers))
        if number not in numbers
    )
    gaps = list(islice(between, min(short, _MAX_GAPS) + 1))
    return (gaps, 0) if len(gaps) == short else ([], short)


def _imageset(record: dict[str, Any]) -> Imageset:
    return Imageset(
        str(record.get("name") or ""),
        str(record.get("directory") or "data").strip(" /"),
        _int(record.get("num_images_or_tilt_series")) or 0,
        str(record.get("category") or ""),
        str(record.get("data_format") or ""),
        str(record.get("voxel_type") or "").strip().lower(),
        _int(record.get("image_width")),
        _int(record.get("image_height")),
        (_nm(record.get("pixel_width")), _nm(record.get("pixel_height"))),
        str(record.get("details") or ""),
    )


def _int(value: Any) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _nm(angstrom: Any) -> float | None:
    try:
        return round(float(angstrom) / 10, 6) or None
    except (TypeError, ValueError):
        return None
