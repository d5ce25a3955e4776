"""VolumeSpider: a chunked volume in a store, and cubes of it."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Generic, TypeVar

from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.records.items import Expects, VolumeItem
from imgcrawl.records.volume import Crop, size_of
from imgcrawl.sources.copy_sizes import lack_of_room
from imgcrawl.sources.volume_store import VolumeStore
from imgcrawl.volumes.crop.box import (
    box_in_level,
    clip,
    format_box,
    size_in_level,
)
from imgcrawl.volumes.crop.cube_plan import CubeLayer
from imgcrawl.volumes.crop.foreground import ForegroundEstimate
from imgcrawl.volumes.crop.random_boxes import draw
from imgcrawl.volumes.crop.writing import EXTENSIONS, check_dtype
from spiders.base.dataset import DatasetSpider
from spiders.base.shared_cubes import SharedCubes
from spiders.base.volume_dry_run import VolumeDryRun
from spiders.base.volume_names import file_part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from imgcrawl.records.items import Metadata, SpiderOutput
    from imgcrawl.records.volume import Format, Level, Multiscale, Zyx
    from imgcrawl.volumes.crop.foreground import Voxels
    from spiders.base.volume_arguments import VolumeArguments

MAX_DRAWS = 100  # without one that has the foreground that is asked for

V = TypeVar("V", bound="VolumeArguments")


class VolumeSpider(DatasetSpider[V], Generic[V]):
    """Opens volumes, and yields cubes of them. A subclass says which volume, levels and format."""

    @cached_property
    def store(self) -> VolumeStore:
        """Where its volumes are opened."""
        return VolumeStore(self)

    async def cubes(
        self, picture: Multiscale, levels: Sequence[Level], name: str, format_: Format
    ) -> AsyncIterator[SpiderOutput]:
        """Yield the cubes that box or size ask for, of each level; without either the whole level.

        name: stands in the files' names
        Raises SourceError if none can be had.
        """
        for level in levels:
            self._check(level, format_)
            if (size := self.args.asked_size) is not None:
                wanted = size_in_level(size, level)
                _, shape = clip(level, level.offset, wanted)
                if shape != wanted:
                    self.logger.warning(
                        "size=%s is more than %s has: cubes of %s",
                        self.args.size,
                        level.name,
                        ",".join(map(str, shape)),
                    )
                yield self._expects(picture, level, shape, self.args.count)
                async for seen in self._look(level, level.offset, shape, self.args.count):
                    yield seen
                async for crop in self._draws(picture, level, shape, format_):
                    yield self._item(crop, name)
            else:
                box = self.args.asked_box
                asked = (level.offset, level.shape) if box is None else box_in_level(box, level)
                origin, shape = clip(level, *asked)
                if (origin, shape) != asked:
                    self.logger.warning(
                        "box=%s goes beyond %s: clipped to %s",
                        format_box(*asked),
                        level.name,
                        format_box(origin, shape),
                    )
                elif box is not None and box.in_lengths:
                    self.logger.info("The box is %s of %s", format_box(origin, shape), level.name)
                yield self._expects(picture, level, shape, 1)
                async for seen in self._look(level, origin, shape, 1):
                    yield seen
                yield self._item(Crop(level, origin, shape, format_, self.args.time), name)

    async def _look(
        self, level: Level, origin: Zyx, shape: Zyx, count: int
    ) -> AsyncIterator[SpiderOutput]:
        """Yield what a dry run sees of cubes, the first of which is at a place.

        Raises SourceError and ArgumentError.
        """
        if not self.args.dry_run:
            return
        where = (level.offset, level.shape) if count > 1 or self.args.size else (origin, shape)
        async for seen in self.dry_run.crops(level, origin, shape, count, where):
            yield seen
        self.require_room(count * size_of(level, shape), f"{count:,} x {format_box(origin, shape)}")

    @cached_property
    def dry_run(self) -> VolumeDryRun:
        """What a dry run says of levels."""
        return VolumeDryRun(self.crawler, self.store, time=self.args.time)

    def require_room(self, size: int, what: str) -> None:
        """Raise SourceError if the disk cannot hold what is asked for; a dry run only says so."""
        problem = lack_of_room(self.settings, self.args.out, size, what)
        if problem and not self.args.dry_run:
            raise SourceError(problem)
        if problem:
            self.logger.warning(problem)

    async def shared_cubes(
        self, layers: Sequence[CubeLayer], format_: Format
    ) -> AsyncIterator[SpiderOutput]:
        """Yield cubes that several layers share. Raises SourceError if none can be had."""
        cubes = SharedCubes(self.crawler, self.logger, self.args, layers, format_)
        if self.args.dry_run:
            for level, origin, shape, count in cubes.reads():
                async for seen in self._look(level, origin, shape, count):
                    yield seen
        async for output in cubes.records():
            yield output

    def layer_of(self, name: str, picture: Multiscale, *, is_label: bool = False) -> CubeLayer:
        """Return a layer that cubes are cut from; is_label: whether its source says so."""
        is_label = is_label or picture.is_segmentation or name in self.args.label_layers
        return CubeLayer(name, picture, "label" if is_label else "image")

    def _check(self, level: Level, format_: Format) -> None:
        """Raise SourceError for what the level has not, or the format cannot hold."""
        if self.args.time >= level.times:
            raise SourceError(
                f"time={self.args.time}: {level.address.shown} has {level.times} time points; "
                f"type a number from 0 to {level.times - 1}."
            )
        try:
            check_dtype(format_, level.dtype)
        except ValueError as error:
            raise SourceError(f"{error}.") from error
        if format_ == "precomputed" and None in level.voxel_nm:
            self.logger.warning(
                "%s does not say how large its voxels are, and precomputed has no word for that: "
                "what is stored says 1 nm",
                level.address.shown,
            )

    def _expects(self, picture: Multiscale, level: Level, shape: Zyx, count: int) -> Expects:
        sides = " x ".join(f"{side:,}" for side in level.shape)
        nm = " x ".join("?" if step is None else f"{step:g}" for step in level.voxel_nm)
        note = (
            f"{picture.address.shown} ({picture.kind}), level {level.name}: {sides} voxels "
            f"of {nm} nm (z, y, x), {level.dtype}."
        )
        return Expects(count, count * size_of(level, shape), note)

    async def _draws(
        self, picture: Multiscale, level: Level, shape: Zyx, format_: Format
    ) -> AsyncIterator[Crop]:
        """Yield so many different boxes, in the order of their numbers."""
        args, seen, number, best = self.args, set[tuple[int, int, int]](), 0, 0.0
        places = prod(m - s + 1 for m, s in zip(level.shape, shape, strict=True))
        if places < args.count:
            raise SourceError(
                f"{level.name} has room for {places:,} different cubes of that size, and "
                f"count={args.count:,}: type a smaller size or count."
            )
        judge = ForegroundEstimate(picture.levels, self._voxels)
        last = -1
        while len(seen) < args.count:
            if args.min_foreground is not None and number - last > MAX_DRAWS:
                raise SourceError(
                    f"{MAX_DRAWS} draws in a row had less than min_foreground="
                    f"{args.min_foreground:g} (the best {best:.2f}): type less, or another size."
                )
            origin = draw(level, shape, args.seed, number)
            number += 1
            if origin in seen:
                continue
            if args.min_foreground is not None:
                share = await judge.foreground(level, origin, shape)
                best = max(best, share)
                self.logger.debug("Draw %d: %.2f foreground", number - 1, share)
                if share < args.min_foreground:
                    continue
            last, best = number - 1, 0.0
            seen.add(origin)
            yield Crop(level, origin, shape, format_, args.time, args.seed, number - 1)

    async def _voxels(self, level: Level, origin: Zyx, shape: Zyx) -> Voxels:
        """Return the voxels of a small box, to estimate its foreground."""
        # tensorstore and numpy are for those who ask.
        from imgcrawl.volumes.crop.read import read_box  # noqa: PLC0415

        time = min(self.args.time, level.times - 1)
        try:
            voxels, _ = await read_box(self.crawler, level, origin, shape, time=time)
        except RecordMissing as error:
            where = f"{level.address.shown}, level {level.name}"
            raise SourceError(f"{where} cannot be read: {error.message}.") from error
        return voxels

    def _item(self, crop: Crop, name: str) -> VolumeItem:
        level, extension = crop.level, EXTENSIONS[crop.format]
        ranges = zip("zyx", crop.origin, crop.shape, strict=True)
        box = "_".join(f"{axis}{start}-{start + side}" for axis, start, side in ranges)
        if level.times > 1:
            box += f"_t{crop.time}"
        path = f"cubes/{file_part(name, 40)}_{file_part(level.name, 30)}_{box}{extension}"
        metadata: Metadata = {"listed_size": size_of(level, crop.shape)}
        record_id = f"{name}/{level.name}/{box}{extension}"
        return VolumeItem(record_id, [level.address.url], path, metadata, crop=crop)
