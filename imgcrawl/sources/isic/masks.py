"""Which segmentation masks of ISIC images are published, and where.

The ISIC API has served no masks since its version 2. Two releases hold them:

- IMA++ (https://doi.org/10.5281/zenodo.14201693, CC BY-NC-ND 4.0): 17,684 masks of 14,967 images,
  ``segs.zip`` with a table ``seg_metadata.csv`` that knows the annotator's skill;
- the ground truth of the ISIC challenges 2016 to 2018, one archive a split, skill unknown.

Masks of dermoscopic attributes are those of task 2 of the challenge 2018: five of each image.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import ImageItem, Missing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imgcrawl.sources.fetcher import Fetcher

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
# Task 2: https://challenge.isic-archive.com/data/#2018; the training set is in its third version.
ATTRIBUTE_ARCHIVES = (
    "2018/ISIC2018_Task2_Training_GroundTruth_v3.zip",
    "2018/ISIC2018_Task2_Validation_GroundTruth.zip",
    "2018/ISIC2018_Task2_Test_GroundTruth.zip",
)
IMAPP_TABLE = "seg_metadata.csv?download=1"
IMAPP_ARCHIVE = "segs.zip?download=1"

_CHALLENGE_MASK = re.compile(r"(?:.*/)?(ISIC_\d{7})_segmentation\.png", re.IGNORECASE)
_ATTRIBUTE_MASK = re.compile(r"(?:.*/)?(ISIC_\d{7})_attribute_([a-z_]{1,40})\.png", re.IGNORECASE)
_SKILLS = {"S1": "expert", "S2": "novice"}


class SegLevel(StrEnum):
    """Whose masks are wanted."""

    NOVICE = "novice"
    EXPERT = "expert"
    ALL = "all"  # every one there is
    ANY = "any"  # one an image, the best there is


_OF_ANY_SKILL = frozenset({SegLevel.ANY, SegLevel.ALL})


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
    attribute: str = ""  # that it shows, such as streaks; empty for the whole lesion

    @property
    def url(self) -> str:
        """The address of the member in its archive."""
        return f"zip+{self.archive}#{self.name}"


async def published_masks(
    fetcher: Fetcher, level: SegLevel, *, attributes: bool
) -> dict[str, list[Mask]]:
    """Return every mask of the two releases that `level` may ask for, by image.

    attributes: whether those of dermoscopic attributes are wanted, too
    Raises SourceError if a release does not say which masks it has.
    """
    masks: defaultdict[str, list[Mask]] = defaultdict(list)
    base = fetcher.settings["ISIC_IMAPP_URL"]
    table = await _fetch_text(fetcher, f"{base}{IMAPP_TABLE}")
    for mask in read_imapp(table, f"{base}{IMAPP_ARCHIVE}"):
        masks[mask.isic_id].append(mask)
    wanted = dict(CHALLENGE_ARCHIVES) if level in _OF_ANY_SKILL else {}
    if attributes:
        wanted |= {"challenge 2018 task 2": ATTRIBUTE_ARCHIVES}
    for source, archives in wanted.items():
        for name in archives:
            archive = f"{fetcher.settings['ISIC_CHALLENGES_URL']}{name}"
            members = await _fetch_text(fetcher, f"zip+{archive}")
            for mask in read_challenge(members, archive, source):
                masks[mask.isic_id].append(mask)
    return masks


async def _fetch_text(fetcher: Fetcher, url: str) -> str:
    response = await fetcher.fetch(url)
    if response.status != 200:
        raise SourceError(
            f"{url} answered HTTP {response.status}: which masks there are cannot be told. "
            "Run again later, or without -a segmentation=1."
        )
    return response.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class WantedMasks:
    """Which of the masks that are published are wanted. masks: all of them, by image"""

    masks: Mapping[str, Sequence[Mask]]
    level: SegLevel
    attributes: bool = False

    def of(self, isic_id: str) -> tuple[list[Mask], dict[str, str]]:
        """Return the masks of an image, best first, and why it has none of a kind, by the kind."""
        published = self.masks.get(isic_id, ())
        chosen = choose([mask for mask in published if not mask.attribute], self.level)
        parts = [mask for mask in published if mask.attribute]
        missing = {}
        if not chosen:
            kind = "" if self.level in _OF_ANY_SKILL else f" {self.level}"
            why = f"no{kind} mask of this image is published (IMA++, challenges 2016-2018)"
            missing["mask"] = why
        if self.attributes and not parts:
            why = "no attribute masks of this image are published (challenge 2018, task 2)"
            missing["mask/attributes"] = why
        return [*chosen, *parts], missing


def mask_items(isic_id: str, image: str, wanted: WantedMasks, folder: str) -> Iterator[ImageItem]:
    """Yield the records of the masks of an image; one that is missing of a kind that has none.

    image:  the id of its record
    folder: below OUT
    """
    chosen, missing = wanted.of(isic_id)
    for kind, why in missing.items():
        result = Missing(Outcome.NOT_FOUND, why, tries=1)
        path = f"{folder}/{isic_id}"
        yield ImageItem(f"{isic_id}/{kind}", [], path, {"isic_id": isic_id}, result=result)
    names = stems(wanted.masks.get(isic_id, ()))
    for rank, mask in enumerate(chosen):
        stem = names[mask]
        yield ImageItem(
            record_id=f"{isic_id}/mask/{stem}",
            urls=[mask.url],
            path=f"{folder}/{stem}",
            metadata={
                "isic_id": isic_id,
                "mask_source": mask.source,
                "mask_skill": mask.skill or None,
                "mask_annotator": mask.annotator or None,
                "mask_tool": mask.tool or None,
                "mask_attribute": mask.attribute or None,
                "copyright_license": mask.license or None,
            },
            rank=rank,
            replaces=f"{isic_id}/{'mask/attributes' if mask.attribute else 'mask'}",
            mask_of=image,
        )


def read_imapp(table: str, archive: str) -> Iterator[Mask]:
    """Yield the masks in the text of ``seg_metadata.csv``.

    Rows without id or file name are no masks.
    """
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
    """Yield the masks among the member names of a ground-truth archive, one a line."""
    for name in members.splitlines():
        if match := _CHALLENGE_MASK.fullmatch(name):
            yield Mask(match[1].upper(), name, archive, source)
        elif match := _ATTRIBUTE_MASK.fullmatch(name):
            yield Mask(match[1].upper(), name, archive, source, attribute=match[2].lower())


def stems(masks: Iterable[Mask]) -> dict[Mask, str]:
    """Return the name, without extension, under which each mask of one image is stored.

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
    """Return the masks of one image that a level asks for, experts' first."""
    order = ("expert", "consensus", "novice", "")
    ranked = sorted(masks, key=lambda mask: order.index(mask.skill))
    match level:
        case SegLevel.ALL:
            return ranked
        case SegLevel.ANY:
            return ranked[:1]
        case _:
            return [mask for mask in ranked if mask.skill == level]
