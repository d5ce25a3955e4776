"""The images of the ISIC Archive: each a pure function of its number, none kept in memory."""

from __future__ import annotations

import json
from bisect import bisect_right
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from replicas import pictures
from replicas.isic_world import IsicWorld

if TYPE_CHECKING:
    from pathlib import Path

FIRST = datetime(2014, 10, 9, 19, 36, 11, 989000, UTC)
STEP = timedelta(days=2)  # two images share a `created`, as migrated ones do

_ATTRIBUTIONS = (
    "Anonymous",
    "ViDIR Group, Department of Dermatology, Medical University of Vienna",
    "Hospital Clínic de Barcelona",
    "Memorial Sloan Kettering Cancer Center",
)
_BENIGN = ("Benign melanocytic proliferations", "Nevus")
_MALIGNANT = ("Malignant melanocytic proliferations (Melanoma)", "Melanoma Invasive")
_SITES = ("Head and neck", "Upper extremity", "Lower extremity", "Trunk")


class IsicArchive:
    """Generated images, or the real ones of a folder."""

    def __init__(self, records: int, *, tiny: bool = False, folder: Path | None = None) -> None:
        self.size = (24, 18) if tiny else (360, 270)
        self.folder = folder
        self.real: list[str] = []
        if folder is not None:
            self.real = sorted(path.stem for path in folder.glob("ISIC_*.json"))
            if not self.real:
                raise ValueError(f"{folder} holds no ISIC_*.json: give a folder of real records")
        self.records = len(self.real) if folder else records
        self.said = self  # the archive that sums are of
        self.put(IsicWorld())

    def put(self, world: IsicWorld) -> None:
        """Put another state of the images in force."""
        if not world.late:
            self.said = self
        elif self.said is self:
            self.said = copy(self)
        self.world = world
        self.version = object()  # whoever has kept an answer asks for it anew

    def is_visible(self, number: int, *, logged_in: bool = False) -> bool:
        """Return whether an image is public, or shown to who asks."""
        return logged_in or self.isic_id(number) not in self.world.private

    def isic_id(self, number: int) -> str:
        """Return the id of the image with a number."""
        return self.real[number] if self.folder else f"ISIC_{number:07d}"

    def number(self, isic_id: str) -> int | None:
        """Return the number of an image, or None if no image has this id."""
        if self.folder:
            return self.real.index(isic_id) if isic_id in self.real else None
        digits = isic_id.removeprefix("ISIC_")
        if len(digits) != 7 or not digits.isdigit() or not isic_id.startswith("ISIC_"):
            return None
        return int(digits) if int(digits) < self.records else None

    def created(self, number: int) -> datetime:
        """Return when an image was taken in, by which all lists are ordered: not published."""
        return FIRST + STEP * (self.world.created_with(number) // 2)

    def after(self, moment: datetime | None) -> int:
        """Return the number of the first image that was taken in later than a moment."""
        if moment is None:
            return 0
        return bisect_right(range(self.records), moment, key=self.created)

    def metadata(self, number: int) -> dict[str, dict[str, Any]]:
        """Return the two sections of an image's metadata; an unknown field is absent."""
        if self.folder:
            path = self.folder / f"{self.isic_id(number)}.json"
            loaded: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
            return loaded.get("metadata", loaded)
        h = (number * 2654435761 + 12345) & 0xFFFFFFFF
        width, height = self.size
        clinical: dict[str, Any] = {"concomitant_biopsy": h % 3 == 0}
        if h % 11:
            clinical["sex"] = ("female", "male")[h >> 3 & 1]
            clinical["age_approx"] = 5 * (h >> 5 & 15) + 10
        kind = (h >> 9) % 100
        if kind < 75:
            clinical |= {
                "diagnosis_1": "Benign",
                "diagnosis_2": _BENIGN[0],
                "diagnosis_3": _BENIGN[1],
            }
        elif kind < 88:
            clinical |= {"diagnosis_1": "Malignant", "diagnosis_2": _MALIGNANT[0]}
            clinical |= {"diagnosis_3": _MALIGNANT[1], "mel_thick_mm": f"{h % 40 / 10:.2f}"}
        elif kind < 93:
            clinical["diagnosis_1"] = "Indeterminate"
        if "diagnosis_1" in clinical:
            clinical["melanocytic"] = True
        clinical["anatom_site_1"] = _SITES[h >> 13 & 3]
        clinical["patient_id"] = f"IP_{number // 3:07d}"
        clinical["lesion_id"] = f"IL_{number // 2:07d}"
        clinical |= self.world.labels.get(self.isic_id(number), {})
        clinical = {name: value for name, value in clinical.items() if value is not None}
        acquisition = {"pixels_x": width, "pixels_y": height, "image_type": "dermoscopic"}
        return {"acquisition": acquisition, "clinical": clinical}

    def fields(self, number: int) -> dict[str, Any]:
        """Return the fields that queries search in."""
        sections = self.metadata(number)
        flat = {name: value for section in sections.values() for name, value in section.items()}
        own = {"isic_id": self.isic_id(number), "copyright_license": self.license(number)}
        return flat | own | {"public": self.is_visible(number)}

    def license(self, number: int) -> str:
        """Return the licence, CC-0 for most images."""
        if self.folder:
            return "CC-0"
        share = (number * 40503 >> 4) % 20
        return "CC-0" if share < 12 else "CC-BY" if share < 17 else "CC-BY-NC"

    def attribution(self, number: int) -> str:
        """Return the attribution."""
        return "Anonymous" if self.folder else _ATTRIBUTIONS[(number * 48271 >> 5) % 4]

    def collections(self, number: int) -> set[int]:
        """Return the collections that hold an image."""
        world, isic_id = self.world, self.isic_id(number)
        return {c["id"] for c in world.all_collections if world.holds(c, number, isic_id)}

    def original(self, number: int) -> bytes:
        """Return the file before the archive embedded its XMP: its size is the one in the API."""
        if self.folder:
            return self.picture(number)
        return pictures.jpeg(number % pictures.VARIANTS, self.size)

    def total_bytes(self) -> int:
        """Return the size of all original files, which repeat themselves."""
        period = self.records if self.folder else min(pictures.VARIANTS, self.records)
        sizes = [len(self.original(number)) for number in range(period)]
        cycles, rest = divmod(self.records, period) if period else (0, 0)
        return cycles * sum(sizes) + sum(sizes[:rest])

    def picture(self, number: int) -> bytes:
        """Return the file as it is served."""
        if self.folder:
            name = f"{self.isic_id(number)}.jpg"
            places = (self.folder, *sorted(p for p in self.folder.parent.iterdir() if p.is_dir()))
            return next((p / name).read_bytes() for p in places if (p / name).exists())
        return pictures.with_xmp(
            self.original(number), self.isic_id(number), self.attribution(number)
        )

    def thumbnail(self, number: int) -> bytes:
        """Return a small file, whose longest side is at most 256 pixels."""
        size = (self.size[0] * 2 // 3, self.size[1] * 2 // 3)
        small = pictures.jpeg(number % pictures.VARIANTS, size)
        return pictures.with_xmp(small, self.isic_id(number), "thumbnail")
