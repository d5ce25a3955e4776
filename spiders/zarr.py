"""Volumes in Zarr, N5 or neuroglancer's precomputed format, in a bucket, on a server or a disk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from imgcrawl.arguments import AnyCase, Words
from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Expects
from imgcrawl.records.volume import Format, VolumeAddress, size_of_level
from imgcrawl.sources.copy_sizes import estimate_sizes
from imgcrawl.sources.pictures_beside import not_followed, pictures_beside
from imgcrawl.sources.zarr import (
    copy_folder,
    copy_item,
    describe_level,
    level_copies,
    pick_levels,
)
from imgcrawl.sources.zarr_container import container_copy
from imgcrawl.sources.zarr_members import MemberCopies, as_it_is, choose_members, describe_members
from imgcrawl.volumes.metadata.folders import inner_place, name_of, within
from imgcrawl.volumes.metadata.levels import NotVoxelsError
from imgcrawl.volumes.metadata.members import GroupMember
from imgcrawl.volumes.metadata.multiscale import NoMultiscaleError
from spiders.base.volume import VolumeSpider
from spiders.base.volume_arguments import VolumeArguments, check_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from imgcrawl.records.items import SpiderOutput, VolumeItem
    from imgcrawl.records.volume import Level, Multiscale
    from imgcrawl.volumes.metadata.folders import InnerPlace

OWN = "."  # of layers: the picture at the url itself
MAX_SHOWN = 64  # levels, of several pictures, in a message
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
    series: Words = Field(
        [],
        description="which pictures of a group that holds several (a converted file, a plate), by "
        "number or path; by default all are copied, and cubes are cut from the first",
        examples=["0,2", "A/1/0"],
    )
    with_labels: bool | None = Field(
        None,
        description="copy labels, tables and other folders of a picture too; by default unless "
        "levels are named. Meshes and skeletons of a precomputed volume: only if 1",
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
        if self.is_shared and (self.level or self.series):
            raise ValueError("of layers the level follows from voxel=; leave level and series out")
        for path in self.layers:
            within(VolumeAddress("here", "https://here/"), "" if path == OWN else path)
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
        return not self.is_shared and self.box is self.size is self.format is None

    @property
    def takes_labels(self) -> bool:
        """Whether labels and other folders of a picture are copied with it."""
        if self.with_labels is not None:
            return self.with_labels
        return not self.level or "all" in self.level


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
        asked = within(self.store.address(self.args.url), self.args.path or "")
        if self.args.is_shared:
            paths = self.args.layers or [""]
            places = [within(asked, "" if path == OWN else path) for path in paths]
            opened = [(place, await self.store.open(place)) for place in places]
            layers = [
                self.layer_of(
                    path if path != OWN or name_of(place) in paths else name_of(place),
                    picture,
                    is_label=path in self.args.label_layers,
                )
                for path, (place, picture) in zip(paths, opened, strict=True)
            ]
            for left_out in await pictures_beside(self.store, self.logger, opened):
                yield left_out
            async for output in self.shared_cubes(layers, self.args.format or "ome-zarr"):
                yield output
            return
        if self.args.is_copy and (place := inner_place(asked.url)) is not None:
            async for output in self._container(asked, place):
                yield output
            return
        members, address = await self.store.members(asked)
        if not self.args.is_copy:
            members = [member for member in members if member.kind != "meshes"]
        taken, left = choose_members(
            members,
            self.args.series,
            with_labels=self.args.takes_labels,
            with_meshes=bool(self.args.with_labels),
        )
        is_alone = [(each.path, each.index) for each in taken] == [("", 0)] and not self.args.series
        if self.args.is_copy and is_alone:
            self._tell(address, left)
        elif self.args.is_copy and (len(members) > 1 or self.args.series):
            self._tell(address, left)
            copies = MemberCopies(self.store, address, taken, self.args.level)
            self._check_size(await copies.open(), address)
            async for output in self._copies(address, copies.levels(), copies.records):
                yield output
            return
        if not self.args.is_copy and self.args.series == []:
            self._tell(address, [*taken[1:], *left])
            for left_out in not_followed(address, [*taken[1:], *left]):
                yield left_out
            taken = taken[:1]
        pictures = [member for member in taken if member.kind == "picture"]
        for member in pictures or [GroupMember("", "picture")]:
            async for output in self._picture(within(address, member.path), member.index):
                yield output

    async def _container(
        self, asked: VolumeAddress, place: InnerPlace
    ) -> AsyncIterator[SpiderOutput]:
        """Yield a copy of a whole ZIP or database, once what is asked for was found in it."""
        if self.args.level or self.args.series or self.args.with_labels is not None:
            raise SourceError(
                f"{place.base} is copied as a whole: leave level, series and with_labels out, or "
                "type box=, size= or format= for cubes."
            )
        members, _ = await self.store.members(asked)
        if place.path:
            self.logger.warning(
                "%s is part of %s, and all of that is copied", place.path, place.base
            )
        if not members and place.path:
            try:
                await self.store.open(asked)
            except NoMultiscaleError as error:
                if not error.below:
                    raise
        held = f" with {describe_members(members)}" if members else ""
        yield Expects(1, None, f"{place.base}, as it is{held}.")
        yield container_copy(asked, place)

    async def _picture(self, address: VolumeAddress, index: int) -> AsyncIterator[SpiderOutput]:
        """Yield the levels of one picture, or cubes of them; or a group that is none as a whole."""
        try:
            picture = await self.store.open(address, index)
        except (NoMultiscaleError, NotVoxelsError) as error:
            if not (self.args.is_copy and getattr(error, "below", True)):
                raise
            if "all" not in self.args.level:
                whole = "\nOr, for all that is in it, whatever its size:\n  -a level=all"
                raise SourceError(f"{error}{whole}") from error
            if isinstance(error, NotVoxelsError):
                for record in as_it_is(address, copy_folder(address), error):
                    yield record
                return
            yield Expects(1, None, f"{address.shown}: a group, with all that is in it.")
            yield copy_item(address, copy_folder(address))
            return
        if self.args.is_copy:
            self._check_size([picture], address)
            wanted = pick_levels(picture, self.args.level or ["all"])
            async for output in self._copies(
                address, wanted, partial(level_copies, picture, wanted, "")
            ):
                yield output
            return
        levels = pick_levels(picture, self.args.level) if self.args.level else [picture.levels[0]]
        name = name_of(picture.address) + (f"#{index}" if index else "")
        async for output in self.cubes(picture, levels, name, self.args.format or "ome-zarr"):
            yield output

    async def _copies(
        self,
        address: VolumeAddress,
        levels: Sequence[Level],
        records: Callable[[Mapping[Level, int]], Iterable[Expects | VolumeItem]],
    ) -> AsyncIterator[SpiderOutput]:
        """Yield copies, if the disk can hold them; a dry run looks at them.

        levels:  that are copied
        records: returns their records by the sizes of the levels
        """
        estimates = dict(zip(levels, await estimate_sizes(self.store, levels), strict=True))
        sizes = {level: each.bytes for level, each in estimates.items()}
        self.require_room(sum(sizes.values()), f"A copy of {address.shown}")
        if self.args.dry_run:
            async for seen in self.dry_run.copies(estimates):
                yield seen
        size = None
        for copied in records(sizes):
            if isinstance(copied, Expects):
                size = copied.bytes
            elif self.args.dry_run and size is not None:
                copied.metadata["listed_size"] = size
            yield copied

    def _tell(self, address: VolumeAddress, left: list[GroupMember]) -> None:
        """Say what a group holds and is left out."""
        if left:
            words = "%s holds more, which is left out: %s. Choose with series= and with_labels="
            self.logger.warning(words, address.shown, describe_members(left))

    def _check_size(self, pictures: Sequence[Multiscale], address: VolumeAddress) -> None:
        """Raise SourceError for levels that nobody named and that are very large."""
        levels = [level for picture in pictures for level in picture.levels]
        size = sum(map(size_of_level, levels))
        if self.args.level or size <= MAX_UNASKED:
            return
        shown = "\n".join(f"  -a level={describe_level(level)}" for level in levels[:MAX_SHOWN])
        raise SourceError(
            f"All levels of {address.shown} are {size / 1e9:,.1f} GB, uncompressed. "
            f"Type which you want, or -a level=all:\n{shown}"
        )
