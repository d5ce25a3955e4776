"""The masks that are published outside the API: challenge archives, and IMA++ on Zenodo.

Shapes: the archives' member names (``ISIC_…_segmentation.png``; 2016 with a capital S; five a
picture, ``ISIC_…_attribute_….png``, of the attributes of 2018's task 2), and the
columns of ``seg_metadata.csv`` of https://doi.org/10.5281/zenodo.14201693.
"""

from __future__ import annotations

import hashlib
import zipfile
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from aiohttp import web

from replicas import pictures
from replicas.isic_challenges import IsicChallengeTables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicas.isic_records import IsicArchive

WITH_MASKS = 400  # of the first images
# archive -> (N, K): it has masks of every N-th image from image K on
CHALLENGES = {
    "2018/ISIC2018_Task1_Training_GroundTruth.zip": (7, 2),
    "2018/ISIC2018_Task1_Validation_GroundTruth.zip": (29, 3),
    "2018/ISIC2018_Task1_Test_GroundTruth.zip": (31, 5),
    "2017/ISIC-2017_Training_Part1_GroundTruth.zip": (5, 1),
    "2017/ISIC-2017_Validation_Part1_GroundTruth.zip": (37, 6),
    "2017/ISIC-2017_Test_v2_Part1_GroundTruth.zip": (41, 7),
    "2016/ISBI2016_ISIC_Part1_Training_GroundTruth.zip": (9, 1),
    "2016/ISBI2016_ISIC_Part1_Test_GroundTruth.zip": (43, 8),
    "2018/ISIC2018_Task2_Training_GroundTruth_v3.zip": (7, 3),
    "2018/ISIC2018_Task2_Validation_GroundTruth.zip": (29, 4),
    "2018/ISIC2018_Task2_Test_GroundTruth.zip": (31, 6),
}
ATTRIBUTES = ("globules", "milia_like_cyst", "negative_network", "pigment_network", "streaks")


class IsicMasks:
    """The folder ``challenges/`` of the bucket, and the IMA++ record on Zenodo."""

    def __init__(self, archive: IsicArchive) -> None:
        self._archive = archive
        self._tables = IsicChallengeTables(archive)
        self._zip = lru_cache(maxsize=16)(self._make_zip)

    async def challenge(self, request: web.Request, name: str) -> web.Response:
        """Answer with a ground-truth archive, or a table of labels."""
        if (table := self._tables.file(name)) is not None:
            return web.Response(body=table, content_type="binary/octet-stream")
        if name not in CHALLENGES:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        return web.Response(body=self._zip(name), content_type="application/zip")

    async def zenodo(self, request: web.Request, name: str) -> web.Response:
        """Answer with a file of the IMA++ record."""
        if name == "seg_metadata.csv":
            return web.Response(text=self._table(), content_type="text/plain")
        if name == "segs.zip":
            return web.Response(body=self._zip(name), content_type="application/octet-stream")
        return web.Response(status=404, text="<h1>Not found</h1>", content_type="text/html")

    def _imapp(self) -> Iterator[tuple[str, str, bytes, tuple[str, ...]]]:
        for number in range(0, min(self._archive.records, WITH_MASKS), 4):
            isic_id = self._archive.isic_id(number)
            for skill in ("S1", "S2") if number % 8 == 0 else ("S1",):
                annotator, tool = f"A{number % 16:02d}", f"T{number % 3 + 1}"
                object_id = f"{number:020x}{skill.lower().encode().hex()}"
                name = f"{isic_id}_{annotator}_{tool}_{skill}_{object_id}.png"
                body = pictures.mask(number + len(skill) + (skill == "S2"), self._archive.size)
                yield isic_id, name, body, (annotator, tool, skill, object_id)

    def _table(self) -> str:
        rows = ["ISIC_id,img_filename,seg_filename,annotator,tool,skill_level,mskObjectID,mask_md5"]
        for isic_id, name, body, fields in self._imapp():
            digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
            rows.append(",".join([isic_id, f"{isic_id}.JPG", name, *fields, digest]))
        return "\n".join(rows) + "\n"

    def _members(self, name: str) -> Iterator[tuple[str, bytes]]:
        if name == "segs.zip":
            yield from ((f"segs/{member}", body) for _, member, body, _ in self._imapp())
            return
        every, first = CHALLENGES[name]
        folder = name.split("/")[1].removesuffix(".zip")
        suffixes = ["Segmentation" if name.startswith("2016") else "segmentation"]
        if "Task2" in name:
            suffixes = [f"attribute_{attribute}" for attribute in ATTRIBUTES]
        for number in range(first, min(self._archive.records, WITH_MASKS), every):
            for rank, suffix in enumerate(suffixes):
                member = f"{folder}/{self._archive.isic_id(number)}_{suffix}.png"
                yield member, pictures.mask(number + rank, self._archive.size)

    def _make_zip(self, name: str) -> bytes:
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for member, body in self._members(name):
                archive.writestr(zipfile.ZipInfo(member), body)
        return buffer.getvalue()
