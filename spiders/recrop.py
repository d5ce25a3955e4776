"""A crop again, from the description that its crawl left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, PrivateAttr, model_validator

from imgcrawl.arguments import SpiderArguments
from imgcrawl.records.errors import NoAnswerError, SourceError
from imgcrawl.records.items import Expects, Missing, VolumeItem
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.volume import CubeMember
from imgcrawl.sources.volume_store import VolumeStore
from imgcrawl.volumes.crop.provenance import Provenance, check_crop, crop_bytes, read_provenance
from imgcrawl.volumes.metadata.folders import parent
from imgcrawl.volumes.metadata.multiscale import read_multiscale
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput
    from imgcrawl.records.volume import Crop, Level, VolumeAddress


class RecropArguments(SpiderArguments):
    """Which crop is wanted again."""

    file: Path = Field(
        description="the description of a crop, as a crawl left it", examples=["a.npy.crop.json"]
    )
    local: bool = Field(False, description="the volume may be a folder of this computer")

    _provenance: Provenance = PrivateAttr()

    @model_validator(mode="after")
    def _is_citation(self) -> Self:
        self._provenance = read_provenance(self.file)
        # The file may have been written by somebody else.
        for member in self._provenance.members():
            url = member.crop.level.address.url
            if url.startswith("file:") and not self.local:
                raise ValueError(
                    f"{self.file} is of the folder {url} of a computer: if it is one of yours, "
                    "type local=1 (scrapy recrop --local) too"
                )
        return self

    def settings(self) -> dict[str, Any]:
        """Return the settings that these arguments stand for: what is cited says what is absent."""
        return super().settings() | {"ALLOW_EMPTY_VOLUMES": True}

    def extras(self) -> tuple[str, ...]:
        """Return the extra that reads and writes voxels."""
        return ("volumes",)

    @property
    def provenance(self) -> Provenance:
        """What the file says."""
        return self._provenance


class RecropSpider(DatasetSpider[RecropArguments]):
    """A crop once more, from where it came from, bit for bit if that has not changed.

    `scrapy recrop FILE` runs this and says whether the two are the same.
    """

    name = "recrop"
    internal = True
    arguments: ClassVar[type[RecropArguments]] = RecropArguments
    example = "scrapy crawl recrop -a file=data/neuroglancer/cubes/a.ome.zarr.crop.json"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the crop, or all that its file holds."""
        provenance, problem = self.args.provenance, ""
        items, members = [], []
        for told in provenance.members():
            cited = crop = told.crop
            now = await self._level(cited.level)
            if now.sha256 != cited.level.sha256:
                self.logger.warning(
                    "The metadata of %s have changed since the crop was made",
                    cited.level.address.shown,
                )
                problem = problem or _unlike(cited, now)
                crop = replace(cited, level=replace(cited.level, sha256=now.sha256))
            item = VolumeItem(told.record_id, [told.url], provenance.file.name, crop=crop)
            item.metadata = {
                "cited_voxels_sha256": told.voxels_sha256,
                "cited_metadata_sha256": cited.level.sha256,
            }
            items.append(item)
            members.append(CubeMember(told.record_id, item.path, crop, told.dataset))
        size = sum(crop_bytes(member.crop) for member in members)
        yield Expects(records=len(items), bytes=size)
        for item, member in zip(items, members, strict=True):
            if problem:  # what is in one file is there as a whole, or not
                item.result = Missing(Outcome.CORRUPT, problem, item.urls[0])
            if len(members) > 1:
                item.dataset = item.metadata["dataset"] = member.dataset
                item.partners = tuple(each for each in members if each is not member)
            yield item

    async def _level(self, cited: Level) -> Level:
        """Return the level as it is today, read from where the cited one was read from.

        Documents of a group count too, and the crop does not say how far above its array that was.
        Raises SourceError if the level is no more.
        """
        documents = VolumeStore(self).document
        found: list[Level] = []
        problem = ""
        place: VolumeAddress | None = cited.address
        for _ in range(3):
            if place is None:
                break
            try:
                levels = (await read_multiscale(documents, place)).levels
            except NoAnswerError:
                raise
            except SourceError as error:
                problem = problem or f"{error}"
            else:
                same = (cited.scale, cited.address.url)
                found += [each for each in levels if (each.scale, each.address.url) == same]
            if any(each.sha256 == cited.sha256 for each in found):
                break
            place = parent(place)
        if not found:
            raise SourceError(
                problem or f"{cited.address.shown} has no level {cited.name} any more."
            )
        return next((each for each in found if each.sha256 == cited.sha256), found[0])


def _unlike(cited: Crop, now: Level) -> str:
    """Return why a crop of today cannot be the cited one, or "" if it may be."""
    was = cited.level
    if (was.dtype, was.channels) != (now.dtype, now.channels):
        return (
            f"the volume has changed: its voxels were {was.channels} x {was.dtype}, "
            f"and are {now.channels} x {now.dtype}"
        )
    if (was.axes, was.driver) != (now.axes, now.driver):
        return f"the volume has changed: it was {was.driver}, and is {now.driver}"
    try:
        check_crop(replace(cited, level=now))
    except ValueError as error:
        return f"the volume has changed: {error}"
    return ""
