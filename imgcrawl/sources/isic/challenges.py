"""The sets of the ISIC challenges, and two others that people mean by name: their official tables.

Names of files are those of the challenges' pages (https://challenge.isic-archive.com/data/); their
columns are those of published readers of them. 2016's have no header; of 2017's two columns none
is set for a nevus; from 2018 on a row has a 1 in the column of its class. The labels of the test
sets of 2020 and 2024 were never published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLASSES: Final = ("MEL", "NV", "BCC", "AKIEC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
_HAM: Final = "https://dataverse.harvard.edu/api/access/datafile/4338392?format=original"


@dataclass(frozen=True, slots=True)
class ChallengeTable:
    """A table of ids and labels.

    file:  below the folder of the challenges, or an address
    split: train, validation or test; empty for a set that has none
    """

    file: str
    split: str = ""

    @property
    def name(self) -> str:
        """The file's name, by which a copy of it is found."""
        return "HAM10000_metadata" if self.file == _HAM else self.file.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Challenge:
    """A set that people mean by name.

    tables:     of its images; none for a set that is a collection of the archive
    duplicates: a table of pairs of the same picture
    note:       what a user must know who expects labels and splits
    """

    tables: tuple[ChallengeTable, ...] = ()
    duplicates: ChallengeTable | None = None
    collection: str = ""
    note: str = ""


def _splits(pattern: str, **splits: str) -> tuple[ChallengeTable, ...]:
    return tuple(ChallengeTable(pattern.format(name), split) for split, name in splits.items())


CHALLENGES: Mapping[str, Challenge] = {
    "2016": Challenge(
        _splits("2016/ISBI2016_ISIC_Part3_{}_GroundTruth.csv", train="Training", test="Test")
    ),
    "2017": Challenge(
        _splits(
            "2017/ISIC-2017_{}_Part3_GroundTruth.csv",
            train="Training",
            validation="Validation",
            test="Test_v2",
        )
    ),
    "2018": Challenge(
        _splits(
            "2018/ISIC2018_Task3_{}_GroundTruth.zip",
            train="Training",
            validation="Validation",
            test="Test",
        )
    ),
    "2019": Challenge(_splits("2019/ISIC_2019_{}_GroundTruth.csv", train="Training", test="Test")),
    "2020": Challenge(
        _splits("2020/ISIC_2020_{}_GroundTruth_v2.csv", train="Training"),
        ChallengeTable("2020/ISIC_2020_Training_Duplicates.csv"),
    ),
    "2024": Challenge(_splits("2024/ISIC_2024_{}_GroundTruth.csv", train="Training")),
    "ham10000": Challenge(
        (ChallengeTable(_HAM),),
        note="no split is published; they are the training images of challenge=2018",
    ),
    "bcn20000": Challenge(
        collection="249",
        note="the archive's collection, with its diagnosis_1 to 5. There is no label and no split: "
        "the tables of its authors name the images otherwise (BCN_0000000001.jpg), and nobody has "
        "published which of the archive's they are",
    ),
}


def label_of(fields: Mapping[str, Any]) -> str:
    """Return the class in a row of a challenge's table; nothing where it has none, or several.

    2016 says benign or malignant (0.0 or 1.0 in its test set), 2020 has the diagnosis beside it.
    """
    cells = {str(name).strip(): str(value or "").strip() for name, value in fields.items()}
    if set_ := [name for name in _CLASSES if _is_set(cells.get(name, ""))]:
        return set_[0] if len(set_) == 1 else ""
    if any(name in cells for name in _CLASSES):
        return ""
    if {"melanoma", "seborrheic_keratosis"} <= cells.keys():
        found = [n for n in ("melanoma", "seborrheic_keratosis") if _is_set(cells[n])]
        return (found or ["nevus"])[0] if len(found) < 2 else ""
    for name in ("dx", "benign_malignant", "malignant", "target"):
        if value := cells.get(name, ""):
            return _MALIGNANT.get(value, value) if name in {"malignant", "target"} else value
    last = [*cells.values()][-1]
    return _MALIGNANT.get(last, last if last in {"benign", "malignant"} else "")


_MALIGNANT: Final = {"0": "benign", "0.0": "benign", "1": "malignant", "1.0": "malignant"}


def _is_set(cell: str) -> bool:
    try:
        return float(cell) == 1
    except ValueError:
        return False
