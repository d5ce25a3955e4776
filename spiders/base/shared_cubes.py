"""Cubes that several layers share: where they are, and a record for each layer of each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.records.items import Expects, Missing, Unreadable, VolumeItem
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.volume import CubeMember, size_of
from imgcrawl.volumes.crop.box import box_in_level
from imgcrawl.volumes.crop.box_list import ListedBox, read_boxes
from imgcrawl.volumes.crop.cube_plan import CubeGrid, crop_of, voxel_of
from imgcrawl.volumes.crop.holdout import CutPlane, split_boxes
from imgcrawl.volumes.crop.writing import EXTENSIONS, IN_ONE_FILE, check_dtype, dataset_name
from spiders.base.volume_names import file_part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from logging import Logger, LoggerAdapter

    from scrapy.crawler import Crawler

    from imgcrawl.records.items import Metadata, SpiderOutput
    from imgcrawl.records.volume import Crop, Format, Level, Zyx
    from imgcrawl.volumes.crop.cube_plan import CubeLayer, Lengths
    from spiders.base.volume_arguments import VolumeArguments

MAX_DRAWS = 100  # in a row that are not what is asked for


@dataclass(frozen=True, slots=True)
class SharedCube:
    """The place of one cube; seed and draw if it was drawn, other columns of its list."""

    start: Lengths
    shape: Zyx
    columns: Metadata
    seed: int | None = None
    draw: int | None = None


class SharedCubes:
    """The cubes of one crawl.

    layers:  that they are cut from, the first of which has the voxels by default
    Raises SourceError for what cannot be cut from them.
    """

    def __init__(
        self,
        crawler: Crawler,
        logger: LoggerAdapter[Logger],
        args: VolumeArguments,
        layers: Sequence[CubeLayer],
        format_: Format,
    ) -> None:
        self._crawler, self._logger, self._args = crawler, logger, args
        self._layers, self._format = layers, format_
        self._grid = CubeGrid.of(layers, args.asked_voxel)
        self._labels = [layer for layer in layers if layer.role == "label"]
        for layer in layers:
            try:
                check_dtype(format_, layer.level(self._grid.voxel).dtype)
            except ValueError as error:
                raise SourceError(f"{layer.name}: {error}.") from error
        if (args.min_label is not None or args.classes) and not self._labels:
            raise SourceError(
                "min_label and classes are of a layer of labels, and none is: type -a label_layers="
            )

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield a record for each layer of each cube."""
        size, shape = self._size()
        if self._args.boxes is not None:
            async for output in self._listed(size):
                yield output
        elif size is None:
            box = self._args.asked_box
            assert box is not None
            first = self._layers[0]
            level = first.finest
            origin, sides = box_in_level(box, level)
            steps = [*zip(origin, sides, first.corner(level), voxel_of(level), strict=True)]
            z, y, x = (zero + at * nm for at, _, zero, nm in steps)
            lz, ly, lx = (side * nm for _, side, _, nm in steps)
            place = ListedBox(self._grid.snapped((z, y, x)), self._grid.shape((lz, ly, lx)), {})
            yield self._expects(1, place.shape)
            for item in self._of_list(place, {}):
                yield item
        else:
            async for output in self._drawn(size, shape):
                yield output

    def reads(self) -> list[tuple[Level, Zyx, Zyx, int]]:
        """Return what is read of each layer: its level, where one cube is, its shape; how many.

        Places of a list are not looked into: one of the size that is asked for stands for them.
        """
        size, shape = self._size()
        if size is None:
            return []
        start = self._grid.inside(self._grid.snapped(self._grid.low), shape)
        cube = SharedCube(start, shape, {})
        crops = [self._crop(layer, cube) for layer in self._layers]
        return [(crop.level, crop.origin, crop.shape, self._args.count) for crop in crops]

    def _size(self) -> tuple[Lengths | None, Zyx]:
        """Return the size that is asked for, in nm and in voxels."""
        asked = self._args.asked_size
        if asked is None:
            return None, (1, 1, 1)
        pairs = [*zip(asked.sides, self._grid.voxel, strict=True)]
        z, y, x = (value if is_length else value * nm for (value, is_length), nm in pairs)
        return (z, y, x), self._grid.shape((z, y, x))

    async def _drawn(self, size: Lengths, shape: Zyx) -> AsyncIterator[SpiderOutput]:
        """Yield cubes at random places."""
        args, grid = self._args, self._grid
        seen: set[Lengths] = set()
        if not grid.holds(grid.inside(grid.snapped(grid.low), shape), shape):
            most = " x ".join(f"{b - a:g}" for a, b in zip(grid.low, grid.high, strict=True))
            raise SourceError(f"size={args.size}: what all layers cover is {most} nm. Type less.")
        plane = CutPlane(grid, size, args.holdout, args.asked_gap) if args.holdout else None
        yield self._expects(args.count, shape)
        number = rejected = 0
        best = 0.0
        while len(seen) < args.count and rejected < MAX_DRAWS:
            start = grid.draw(size, shape, args.seed, number)
            number += 1
            real = self._real(shape)
            split = plane.split(start, real) if plane else ""
            cube = SharedCube(start, shape, {}, args.seed, number - 1)
            rejected += 1
            if start in seen or split is None:
                continue
            is_good, share = await self._is_labelled(cube)
            best = max(best, share)
            if not is_good:
                continue
            rejected, best = 0, 0.0
            seen.add(start)
            for item in self._items(replace(cube, columns={"split": split} if split else {})):
                yield item
        for left in range(len(seen), args.count):
            words = f"{MAX_DRAWS} draws in a row were not what is asked for: "
            wanted = [f"classes={','.join(map(str, args.classes))}"] if args.classes else []
            if args.min_label is not None:
                wanted.append(f"min_label={args.min_label:g}, and the best had {best:.3g}")
            words += "; ".join(wanted) or "a place of its own"
            name = f"seed {args.seed}, cube {left}"
            yield _missing(VolumeItem(name, [self._layers[0].finest.address.url], name), words)

    async def _is_labelled(self, cube: SharedCube) -> tuple[bool, float]:
        """Return whether a cube has the labels that are asked for, and how much of it has any."""
        args = self._args
        if args.min_label is None and not args.classes:
            return True, 1.0
        from imgcrawl.volumes.crop.label_share import label_share  # noqa: PLC0415 - tensorstore

        crop = self._crop(self._labels[0], cube)
        try:
            share, found = await label_share(self._crawler, crop, args.classes)
        except RecordMissing as error:
            where = f"{crop.level.address.shown}, level {crop.level.name}"
            raise SourceError(f"{where} cannot be read: {error.message}.") from error
        is_good = share >= (args.min_label or 0.0) and (not args.classes or bool(found))
        return is_good, share

    async def _listed(self, size: Lengths | None) -> AsyncIterator[SpiderOutput]:
        """Yield the cubes of a list."""
        path, layers = self._args.boxes, self._layers
        assert path is not None

        def read() -> list[ListedBox | Unreadable]:
            return _each_once(read_boxes(path, layers[0], self._grid, size))

        found = await asyncio.to_thread(read)
        boxes = [each for each in found if isinstance(each, ListedBox)]
        splits = [""] * len(boxes)
        if self._args.holdout:
            places = [(box.start, self._real(box.shape)) for box in boxes]
            splits = split_boxes(places, self._args.holdout, self._args.asked_gap)
            if len({*splits}) < 2:
                self._logger.warning(
                    "holdout=: the boxes touch each other: all are in %s", splits[0]
                )
        for each in found:
            if isinstance(each, Unreadable):
                yield each
        yield Expects(len(boxes) * len(layers), None, f"{len(boxes):,} places of {path}.")
        for box, split in zip(boxes, splits, strict=True):
            for item in self._of_list(box, {"split": split} if split else {}):
                yield item

    def _of_list(self, box: ListedBox, columns: Metadata) -> list[VolumeItem]:
        """Return the records of a known place: missing ones if a layer does not reach as far."""
        cube = SharedCube(box.start, box.shape, box.columns | columns)
        if self._grid.holds(box.start, box.shape):
            return self._items(cube)
        part = self._grid.clipped(box.start, box.shape)
        if self._args.clip and part is not None:
            return self._items(replace(cube, start=part[0], shape=part[1]))
        end = [at + nm for at, nm in zip(box.start, self._real(box.shape), strict=True)]
        shown = ",".join(f"{a:g}:{b:g}nm" for a, b in zip(box.start, end, strict=True))
        words = f"the box {shown} goes beyond what all layers cover; type clip=1 to cut it"
        return [_missing(item, words) for item in self._items(cube)]

    def _real(self, shape: Zyx) -> Lengths:
        z, y, x = (side * nm for side, nm in zip(shape, self._grid.voxel, strict=True))
        return z, y, x

    def _crop(self, layer: CubeLayer, cube: SharedCube) -> Crop:
        crop = crop_of(
            layer, self._grid, cube.start, cube.shape, format_=self._format, time=self._args.time
        )
        return replace(crop, seed=cube.seed, draw=cube.draw)

    def _items(self, cube: SharedCube) -> list[VolumeItem]:
        """Return the records of a cube, each of which knows the others."""
        voxel = "x".join(f"{nm:g}" for nm in dict.fromkeys(self._grid.voxel))
        if len({*self._grid.voxel}) > 1:
            voxel = "x".join(f"{nm:g}" for nm in self._grid.voxel)
        sides = zip("zyx", cube.start, self._real(cube.shape), strict=True)
        place = "_".join(f"{axis}{at:g}-{at + side:g}" for axis, at, side in sides)
        cube_id = f"{voxel}nm_{place}"
        members = self._members(cube_id, [self._crop(layer, cube) for layer in self._layers])
        found = []
        for layer, member in zip(self._layers, members, strict=True):
            metadata: Metadata = {
                "cube_id": cube_id,
                "layer": layer.name,
                "role": layer.role,
                **{f"origin_{a}_nm": at for a, at in zip("zyx", cube.start, strict=True)},
                "listed_size": size_of(member.crop.level, cube.shape),
            }
            url = member.crop.level.address.url
            item = VolumeItem(
                member.record_id, [url], member.path, cube.columns | metadata, crop=member.crop
            )
            item.partners = tuple(each for each in members if each is not member)
            if member.dataset:
                item.dataset = item.metadata["dataset"] = member.dataset
            found.append(item)
        return found

    def _members(self, cube_id: str, crops: list[Crop]) -> list[CubeMember]:
        """Return the members of a cube: files in its folder, or datasets of one file."""
        names, extension = [layer.name for layer in self._layers], EXTENSIONS[self._format]
        if self._format not in IN_ONE_FILE or len(crops) == 1:
            ids = [f"{cube_id}/{file_part(name, 60)}{extension}" for name in names]
            return [CubeMember(a, f"cubes/{a}", crop) for a, crop in zip(ids, crops, strict=True)]
        # Of other layers it is another file: none takes the place of another's.
        file = f"{cube_id}/{file_part('+'.join(names), 100)}{extension}"
        members: list[CubeMember] = []
        for name, crop in zip(names, crops, strict=True):
            dataset = dataset_name(crop)
            if any(member.dataset == dataset for member in members):
                dataset = f"{dataset}_{file_part(name, 60)}"
            members.append(CubeMember(f"{file}/{dataset}", f"cubes/{file}", crop, dataset))
        return members

    def _expects(self, count: int, shape: Zyx) -> Expects:
        size = sum(size_of(layer.level(self._grid.voxel), shape) for layer in self._layers)
        nm = " x ".join(f"{step:g}" for step in self._grid.voxel)
        levels = ", ".join(
            f"{layer.name} ({layer.role}, level {layer.level(self._grid.voxel).name})"
            for layer in self._layers
        )
        note = f"{prod(shape):,} voxels of {nm} nm (z, y, x) of each of {levels}."
        return Expects(count * len(self._layers), count * size, note)


def _missing(item: VolumeItem, words: str) -> VolumeItem:
    item.result = Missing(Outcome.NOT_FOUND, words, item.urls[0])
    return item


def _each_once(listed: Iterable[ListedBox | Unreadable]) -> list[ListedBox | Unreadable]:
    """Return the places of a list; one whose cube is there already is no record of its own."""
    found: list[ListedBox | Unreadable] = []
    seen: dict[tuple[Lengths, Zyx], str] = {}
    for each in listed:
        if isinstance(each, Unreadable):
            found.append(each)
            continue
        first = seen.setdefault((each.start, each.shape), each.where)
        again = Unreadable(each.where, f"the same cube as {first}")
        found.append(each if first == each.where else again)
    return found
