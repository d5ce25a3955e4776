"""Volumes in Zarr, N5 or neuroglancer's precomputed format, in a bucket, on a server or a disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from imgcrawl.arguments import AnyCase, Words
from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Expects
from imgcrawl.records.volume import Format, VolumeAddress, size_of_level
from imgcrawl.sources.zarr import (
    copy_folder,
    copy_item,
    describe_level,
    level_copies,
    pick_levels,
)
from imgcrawl.volumes.metadata.address import name_of, within
from imgcrawl.volumes.metadata.multiscale import NoMultiscaleError
from spiders.base.volume import VolumeArguments, VolumeSpider, check_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput
    from imgcrawl.records.volume import Level, Multiscale

MAX_UNASKED = 100_000_000_000  # bytes, uncompressed, of levels that nobody named


class ZarrArguments(VolumeArguments):
    """A picture of a store, which of its levels, and whether as it is or cubes of it."""

    url: Annotated[str, BeforeValidator(str.strip)] = Field(
        description="the store, or a folder of it: s3://, gs://, https:// or a local folder",
        examples=["s3://janelia-cosem-datasets/jrc_mus-nacc-2/jrc_mus-nacc-2.zarr"],
    )
    path: str | None = Field(
        None, description="the picture within the store", examples=["recon-2/em/fibsem-int16"]
    )
    level: Words = Field(
        [],
        description="names of levels, or all; by default all are copied, and cubes are cut from "
        "the finest; all copies a group of pictures too",
        examples=["s3", "s2,s3"],
    )
    format: Annotated[Format | None, AnyCase] = Field(
        None, description="of cubes; without box, size and format the store is copied as it is"
    )

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        return check_address(url)

    @field_validator("path")
    @classmethod
    def _is_path(cls, path: str | None) -> str | None:
        within(VolumeAddress("here", "https://here/"), path or "")
        return path

    @model_validator(mode="after")
    def _is_level(self) -> ZarrArguments:
        box = self.asked_box
        if box is not None and not box.in_lengths and (len(self.level) > 1 or "all" in self.level):
            raise ValueError("box is in voxels, which each level has its own: type one level")
        return self

    def extras(self) -> tuple[str, ...]:
        """Return the extra that reads and writes voxels; a copy takes objects as they are."""
        return () if self.is_copy else super().extras()

    @property
    def is_copy(self) -> bool:
        """Whether the store is wanted as it is."""
        return self.box is None and self.size is None and self.format is None


class ZarrSpider(VolumeSpider[ZarrArguments]):
    """Arrays of a store as they are, object by object; or cubes cut from them.

    Reads Zarr 2 and 3, OME-NGFF 0.1 to 0.6, N5 and precomputed. A copy keeps the metadata of the
    groups above it, so that several levels in one OUT open as one picture. Caveat: format without
    box and size is one cube of a whole level.
    """

    name = "zarr"
    arguments: ClassVar[type[ZarrArguments]] = ZarrArguments
    example = (
        "scrapy crawl zarr -a url=s3://janelia-cosem-datasets/jrc_mus-nacc-2/jrc_mus-nacc-2.zarr "
        "-a path=recon-2/em/fibsem-int16 -a level=s3"
    )

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the levels that are asked for, or cubes of them."""
        address = within(self.store.address(self.args.url), self.args.path or "")
        try:
            picture = await self.store.open(address)
        except NoMultiscaleError as error:
            if not (self.args.is_copy and error.below):
                raise
            if "all" not in self.args.level:
                whole = "\nOr, for all that is in it, whatever its size:\n  -a level=all"
                raise SourceError(f"{error}{whole}") from error
            yield Expects(1, None, f"{address.shown}: a group, with all that is in it.")
            yield copy_item(address, copy_folder(address))
            return
        levels = self._levels(picture)
        if self.args.is_copy:
            for copied in level_copies(picture, levels):
                yield copied
            return
        format_ = self.args.format or "ome-zarr"
        async for output in self.cubes(picture, levels, name_of(picture.address), format_):
            yield output

    def _levels(self, picture: Multiscale) -> list[Level]:
        if self.args.level:
            return pick_levels(picture, self.args.level)
        if not self.args.is_copy:
            return [picture.levels[0]]
        if (size := sum(map(size_of_level, picture.levels))) > MAX_UNASKED:
            shown = "\n".join(f"  -a level={describe_level(level)}" for level in picture.levels)
            raise SourceError(
                f"All levels of {picture.address.shown} are {size / 1e9:,.1f} GB, uncompressed. "
                f"Type which you want, or -a level=all:\n{shown}"
            )
        return [*picture.levels]
