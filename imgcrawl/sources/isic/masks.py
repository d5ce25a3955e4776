"""Which segmentation masks of ISIC images are published, and where.

The ISIC API has served no masks since its version 2. Two releases hold them:

- IMA++ (https://doi.org/10.5281/zenodo.14201693, CC BY-NC-ND 4.0): 17,684 masks of 14,967 images,
  ``segs.zip`` with a table ``seg_metadata.csv`` that knows the annotator's skill;
- the ground truth of the ISIC challenges 2016 to 2018, one archive a split, skill unknown.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Best first: later editions corrected earlier ones.
CHALLENGE_ARCHIVES = {
    "challenge 2018": (
        "2018/ISIC2018_Task1_Training_GroundTruth.zip",
        "2018/ISIC2018_Task1_Validation_GroundTruth.zip",
        "2018/ISIC2018_Task1_Test_GroundTruth.zip",
    ),
    "challenge 2017": (
        "2017/ISIC-2017_Training_Part1_GroundTruth.zip",
        "2017/ISIC-2017_Validation_Part1_GroundTruth.zip",
        "2017/ISIC-2017_Test_v2_Part1_GroundTruth.zip",
    ),
    "challenge 2016": (
        "2016/ISBI2016_ISIC_Part1_Training_GroundTruth.zip",
        "2016/ISBI2016_ISIC_Part1_Test_GroundTruth.zip",
    ),
}
IMAPP_TABLE = "seg_metadata.csv?download=1"
IMAPP_ARCHIVE = "segs.zip?download=1"

_CHALLENGE_MASK = re.compile(r"(?:.*/)?(ISIC_\d{7})_segmentation\.png", re.IGNORECASE)
_SKILLS = {"S1": "expert", "S2": "novice"}


class SegLevel(StrEnum):
    """Whose masks are wanted."""

    NOVICE = "novice"
    EXPERT = "expert"
    ALL = "all"  # every one there is
    ANY = "any"  # one an image, the best there is


@dataclass(frozen=True, slots=True)
class Mask:
    """A published mask of one image: a member of an archive."""

    isic_id: str
    name: str  # of the member, and so of the mask
    archive: str  # URL
    source: str
    skill: str = ""  # expert, novice, consensus, or unknown
    annotator: str = ""
    tool: str = ""
    md5: str = ""
    license: str = ""

    @property
    def url(self) -> str:
        """The address of the member in its archive."""
        return f"zip+{self.archive}#{self.name}"


def read_imapp(table: str, archive: str) -> Iterator[Mask]:
    """The masks in the text of ``seg_metadata.csv``; rows without id or file name are no masks."""
    for row in csv.DictReader(table.splitlines()):
        isic_id, name = row.get("ISIC_id") or "", row.get("seg_filename") or ""
        if isic_id and name:
            yield Mask(
                isic_id=isic_id,
                name=name,
                archive=archive,
                source="IMA++",
                skill=_SKILLS.get(row.get("skill_level") or "", "consensus"),
                annotator=row.get("annotator") or "",
                tool=row.get("tool") or "",
                md5=row.get("mask_md5") or "",
                license="CC-BY-NC-ND",
            )


def read_challenge(members: str, archive: str, source: str) -> Iterator[Mask]:
    """The masks among the member names of a ground-truth archive, one a line."""
    for name in members.splitlines():
        if match := _CHALLENGE_MASK.fullmatch(name):
            yield Mask(match[1].upper(), name, archive, source)


def stems(masks: Iterable[Mask]) -> dict[Mask, str]:
    """The name, without extension, that each mask of one image is stored under.

    Two challenges give the mask of an image the same name, or one that differs in its case only:
    all but the first have the year with it.
    """
    taken: set[str] = set()
    named = {}
    for mask in masks:
        stem = PurePosixPath(mask.name).stem
        year = mask.source.rpartition(" ")[2]
        while stem.casefold() in taken:
            stem = f"{stem}_{year}"
        taken.add(stem.casefold())
        named[mask] = stem
    return named


def choose(masks: Iterable[Mask], level: SegLevel) -> list[Mask]:
    """The masks of one image that a level asks for, experts' first."""
    order = ("expert", "consensus", "novice", "")
    ranked = sorted(masks, key=lambda mask: order.index(mask.skill))
    match level:
        case SegLevel.ALL:
            return ranked
        case SegLevel.ANY:
            return ranked[:1]
        case _:
            return [mask for mask in ranked if mask.skill == level]
