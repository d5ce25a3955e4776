"""The official tables of the ISIC challenges: names of files, columns and splits.

Written from public readers of the tables: 2016 has no header; the tables of 2018 lie in zips beside
their licence; ids of 2019 may end in ``_downsampled``; that of 2020's duplicates has a pair a row.
"""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicas.isic_records import IsicArchive

IMAGES = 60  # in each table
_2018 = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
_2019 = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
_2020 = "image_name,patient_id,lesion_id,sex,age_approx,anatom_site_general_challenge"


class IsicChallengeTables:
    """Tables over the first images of the archive."""

    def __init__(self, archive: IsicArchive) -> None:
        self._archive = archive

    def file(self, name: str) -> bytes | None:
        """Return a file below the folder of the challenges, or None if there is none."""
        year, _, file = name.partition("/")
        start = 0 if "Training" in file else IMAGES if "Validation" in file else 2 * IMAGES
        ids = [self._archive.isic_id(n) for n in range(start, start + IMAGES)]
        if file.startswith("ISIC2018_Task3") and file.endswith("_GroundTruth.zip"):
            folder = file.removesuffix(".zip")
            buffer = BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr(f"{folder}/{folder}.csv", _text(_one_hot(ids, _2018)))
                archive.writestr(f"{folder}/LICENSE.txt", "CC BY-NC 4.0")
            return buffer.getvalue()
        lines = self._lines(year, file, ids)
        return None if lines is None else _text(lines).encode()

    def _lines(self, year: str, file: str, ids: list[str]) -> Iterator[str] | None:
        match year, file:
            case "2016", "ISBI2016_ISIC_Part3_Training_GroundTruth.csv":
                return (f"{i},{'malignant' if n % 5 == 0 else 'benign'}" for n, i in enumerate(ids))
            case "2016", "ISBI2016_ISIC_Part3_Test_GroundTruth.csv":
                return (f"{i},{float(n % 5 == 0)}" for n, i in enumerate(ids))
            case "2017", (
                "ISIC-2017_Training_Part3_GroundTruth.csv"
                | "ISIC-2017_Validation_Part3_GroundTruth.csv"
                | "ISIC-2017_Test_v2_Part3_GroundTruth.csv"
            ):
                rows = (f"{i},{float(n % 3 == 0)},{float(n % 3 == 1)}" for n, i in enumerate(ids))
                return _with_header("image_id,melanoma,seborrheic_keratosis", rows)
            case "2019", "ISIC_2019_Training_GroundTruth.csv":
                smaller = [f"{i}_downsampled" if n % 7 == 0 else i for n, i in enumerate(ids)]
                return _one_hot(smaller, _2019)
            case "2019", "ISIC_2019_Test_GroundTruth.csv":
                return _one_hot(ids, _2019)
            case "2020", "ISIC_2020_Training_GroundTruth_v2.csv":
                header = f"{_2020},diagnosis,benign_malignant,target"
                rows = (
                    f"{i},IP_{n:07d},IL_{n:07d},male,45.0,torso,unknown,benign,0"
                    for n, i in enumerate(ids)
                )
                return _with_header(header, rows)
            case "2020", "ISIC_2020_Training_Duplicates.csv":
                return _with_header("image_name_1,image_name_2", iter([f"{ids[3]},{ids[8]}"]))
            case "2024", "ISIC_2024_Training_GroundTruth.csv":
                return _with_header("isic_id,malignant", (f"{i},{int(i[-1] == '0')}" for i in ids))
        return None


def _one_hot(ids: list[str], classes: tuple[str, ...]) -> Iterator[str]:
    yield ",".join(("image", *classes))
    for number, isic_id in enumerate(ids):
        at = number % len(classes)
        yield ",".join((isic_id, *("1.0" if n == at else "0.0" for n in range(len(classes)))))


def _with_header(header: str, rows: Iterator[str]) -> Iterator[str]:
    yield header
    yield from rows


def _text(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
