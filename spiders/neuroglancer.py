"""Cubes of what a link of neuroglancer shows: any volume that it can open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, NonNegativeInt, field_validator, model_validator

from imgcrawl.arguments import AnyCase
from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import Format  # noqa: TC001 - pydantic reads it
from imgcrawl.sources.neuroglancer.link import read_link
from imgcrawl.sources.neuroglancer.volume import NO_LAYERS, find_volume, pick_level
from imgcrawl.sources.pictures_beside import pictures_beside
from imgcrawl.volumes.crop.box import parse_size
from spiders.base.volume import VolumeSpider
from spiders.base.volume_arguments import VolumeArguments, check_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput


def _resolution(value: Any) -> Any:
    """Return ``8``, ``8nm`` or ``z,y,x`` as three numbers of nanometres, or one for x."""
    if not isinstance(value, str):
        return value
    parts = [re.sub(r"(\d)\s*\Z", r"\1nm", part.strip()) for part in value.split(",")]
    sides = [nm for nm, _ in parse_size(",".join(parts)).sides]
    return ",".join(f"{nm:g}" for nm in (sides if len(parts) == 3 else sides[:1]))


class NeuroglancerArguments(VolumeArguments):
    """A link, one of its layers, and which cubes of it are wanted."""

    url: Annotated[str, BeforeValidator(str.strip)] = Field(
        description="a link to a view, a short one too; or the address of a volume",
        examples=["https://tinyurl.com/hemibrain-ng", "precomputed://gs://bucket/path"],
    )
    layer: str | None = Field(
        None, description="the layer's name; by default the first image that is shown"
    )
    mip: NonNegativeInt | None = Field(
        None, description="the level, 0 being the finest; by default 0"
    )
    resolution: Annotated[str | None, BeforeValidator(_resolution)] = Field(
        None,
        description="the level by the size of its voxels: along x, or z,y,x",
        examples=["8nm", "40,8,8"],
    )
    format: Annotated[Format, AnyCase] = Field("ome-zarr", description="of the cubes")

    @field_validator("url")
    @classmethod
    def _is_link(cls, url: str) -> str:
        if url.startswith(("http://", "https://")):
            read_link(url)
            return url
        return check_address(url)

    @model_validator(mode="after")
    def _is_complete(self) -> NeuroglancerArguments:
        if self.is_shared and (self.mip is not None or self.resolution is not None):
            raise ValueError("the level follows from voxel=; leave mip and resolution out")
        if self.layers and self.layer is not None:
            raise ValueError("layer and layers both name them; leave layer out")
        if self.box is None and self.size is None and not self.is_shared:
            raise ValueError(
                "how much of it? Type size=1000,1000,1000 (z,y,x), or box=z0:z1,y0:y1,x0:x1"
            )
        if self.layer is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"{NO_LAYERS}; leave layer out")
        if self.mip is not None and self.resolution is not None:
            raise ValueError("mip and resolution both choose the level; leave one of them out")
        return self


class NeuroglancerSpider(VolumeSpider[NeuroglancerArguments]):
    """Cubes of a layer, at a place or at random places that the seed gives again.

    Reads states in the link and behind short links, and precomputed, Zarr and N5 volumes.
    Caveats: places are those of the volume, not of a layer that is moved in the viewer;
    segmentations are taken only where layer= names them. What a link or a group shows beside what
    is taken is named in a warning, and counted in not_followed of summary.json.
    """

    name = "neuroglancer"
    arguments: ClassVar[type[NeuroglancerArguments]] = NeuroglancerArguments
    example = (
        "scrapy crawl neuroglancer -a url=https://tinyurl.com/hemibrain-ng "
        "-a size=1000,1000,1000 -a seed=7"
    )

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the cubes."""
        if self.args.is_shared:
            names: list[str | None] = [*self.args.layers] or [self.args.layer]
            is_paired = len(names) > 1
            shown_layers = [
                await find_volume(self, self.args.url, name, is_paired=is_paired) for name in names
            ]
            if len({each.moved for each in shown_layers}) > 1:
                moved = ", ".join(each.name for each in shown_layers if each.moved)
                raise SourceError(
                    f"{moved}: moved in the viewer, and others of these layers are not, or not as "
                    "far: places in one volume are not those in another. Type a link in which "
                    "they lie as their volumes say."
                )
            opened = [(each.address, await self.store.open(each.address)) for each in shown_layers]
            layers = [
                self.layer_of(each.name, picture, is_label=each.kind == "segmentation")
                for each, (_, picture) in zip(shown_layers, opened, strict=True)
            ]
            for left in [each for shown in shown_layers for each in shown.left_out]:
                yield left
            for left in await pictures_beside(self.store, self.logger, opened):
                yield left
            async for output in self.shared_cubes(layers, self.args.format):
                yield output
            return
        shown = await find_volume(self, self.args.url, self.args.layer)
        picture = await self.store.open(shown.address)
        if picture.is_segmentation and self.args.layer is None:
            if shown.kind == "":
                raise SourceError(
                    f"The layer {shown.name} is a segmentation ({shown.address.shown}), and the "
                    f"link shows no image: type -a layer='{shown.name}' if that is what you want."
                )
            self.logger.warning("%s is a segmentation, not an image", shown.address.shown)
        level = pick_level(picture.levels, self.args.mip, self.args.resolution)
        beside = await pictures_beside(self.store, self.logger, [(shown.address, picture)])
        for left in (*shown.left_out, *beside):
            yield left
        async for output in self.cubes(picture, [level], shown.name, self.args.format):
            yield output
