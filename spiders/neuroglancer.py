"""Cubes of what a link of neuroglancer shows: any volume that it can be told to open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, NonNegativeInt, field_validator, model_validator

from imgcrawl.arguments import AnyCase
from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import Format  # noqa: TC001 - pydantic reads it
from imgcrawl.sources.neuroglancer.follow import follow
from imgcrawl.sources.neuroglancer.link import RemoteState, images, pick_layer, read_link
from imgcrawl.volumes.crop.box import parse_size
from imgcrawl.volumes.metadata.address import name_of
from spiders.base.volume import VolumeSpider
from spiders.base.volume_arguments import VolumeArguments, checked_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput
    from imgcrawl.records.volume import Level, Multiscale, VolumeAddress


_NO_LAYERS = "layers are those of a link, and this is the address of one volume"


def _resolution(value: Any) -> Any:
    """``8``, ``8nm`` or ``z,y,x`` as three numbers of nanometres, or one for x."""
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
        return checked_address(url)

    @model_validator(mode="after")
    def _asks(self) -> NeuroglancerArguments:
        if self.box is None and self.size is None:
            raise ValueError(
                "how much of it? Type size=1000,1000,1000 (z,y,x), or box=z0:z1,y0:y1,x0:x1"
            )
        if self.layer is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"{_NO_LAYERS}; leave layer out")
        if self.mip is not None and self.resolution is not None:
            raise ValueError("mip and resolution both choose the level; leave one of them out")
        return self


class NeuroglancerSpider(VolumeSpider[NeuroglancerArguments]):
    """Cubes of a layer, at a place or at random places that the seed gives again.

    Reads states in the link and behind short links, and precomputed, Zarr and N5 volumes.
    Caveats: places are those of the volume, not of a layer that is moved in the viewer;
    segmentations are taken only where layer= names them.
    """

    name = "neuroglancer"
    arguments: ClassVar[type[NeuroglancerArguments]] = NeuroglancerArguments
    example = (
        "scrapy crawl neuroglancer -a url=https://tinyurl.com/hemibrain-ng "
        "-a size=1000,1000,1000 -a seed=7"
    )

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """The cubes."""
        address, name, kind = await self._find()
        picture = await self.open_picture(address)
        if picture.is_segmentation and self.args.layer is None:
            if kind == "":
                raise SourceError(
                    f"The layer {name} is a segmentation ({address.shown}), and the link shows no "
                    f"image: type -a layer='{name}' if that is what you want."
                )
            self.logger.warning("%s is a segmentation, not an image", address.shown)
        level = self._level(picture)
        async for said in self.cubes(picture, [level], name, self.args.format):
            yield said

    async def _find(self) -> tuple[VolumeAddress, str, str | None]:
        """The volume that is meant, the name of its layer, and its type; None without a layer."""
        url = self.args.url
        if not url.startswith(("http://", "https://")):
            return self._volume(url)
        shown = read_link(url)
        if isinstance(shown, RemoteState):
            found = await follow(self, shown)
            if found is None:  # neither a state nor a way to one: perhaps a volume
                return self._volume(url)
            shown = found
        try:
            layer = pick_layer(shown, self.args.layer)
        except ValueError as error:
            raise SourceError(f"{url[:100]}: {error}") from error
        # A source is a stranger's word: it may not lead into this computer.
        address = self.address(layer.sources[0], local=False)
        others = [other.name for other in images(shown) if other is not layer]
        if self.args.layer is None and others:
            self.logger.warning(
                "The link shows more images than %s: %s. Choose with -a layer=NAME",
                layer.name,
                ", ".join(others[:10]),
            )
        if layer.moved:
            self.logger.warning(
                "The layer %s is moved in the viewer: places are those of its volume", layer.name
            )
        return address, layer.name or name_of(address), layer.kind

    def _volume(self, url: str) -> tuple[VolumeAddress, str, None]:
        """A volume that is named without a link."""
        if self.args.layer is not None:
            raise SourceError(f"{_NO_LAYERS}: {url[:100]} is no link to a view.")
        address = self.address(url)
        return address, name_of(address), None

    def _level(self, picture: Multiscale) -> Level:
        levels = picture.levels
        if self.args.resolution is None:
            mip = self.args.mip or 0
            if mip < len(levels):
                return levels[mip]
            raise SourceError(f"mip={mip}: there are {len(levels)} levels:\n{_listed(levels)}")
        wanted = [float(nm) for nm in self.args.resolution.split(",")]
        for level in levels:
            if _is_close(level.voxel_nm[-len(wanted) :], wanted):
                return level
        words = f"resolution={self.args.resolution}: no level has such voxels:\n{_listed(levels)}"
        raise SourceError(words)


def _is_close(sizes: tuple[float | None, ...], wanted: list[float]) -> bool:
    pairs = zip(sizes, wanted, strict=True)
    return all(nm is not None and abs(nm - asked) <= 1e-3 * asked for nm, asked in pairs)


def _listed(levels: tuple[Level, ...]) -> str:
    lines = []
    for mip, level in enumerate(levels):
        nm = ",".join("?" if step is None else f"{step:g}" for step in level.voxel_nm)
        sides = " x ".join(f"{side:,}" for side in level.shape)
        lines.append(f"  -a mip={mip}  ({level.name}: {nm} nm, {sides} voxels)")
    return "\n".join(lines)
