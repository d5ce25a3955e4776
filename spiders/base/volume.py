"""VolumeSpider: a chunked volume in a store, and cubes of it."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Generic, TypeVar

from imgcrawl.microscopy.zarr_documents import MAX_DOCUMENT
from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.records.items import Expects, VolumeItem
from imgcrawl.records.volume import Crop, size_of
from imgcrawl.text.redact import printable
from imgcrawl.volumes.crop.box import box_in_level, clip, format_box, size_in_level
from imgcrawl.volumes.crop.foreground import ForegroundEstimate
from imgcrawl.volumes.crop.random_boxes import draw
from imgcrawl.volumes.crop.writing import EXTENSIONS, check_dtype
from imgcrawl.volumes.metadata.address import parse_address
from imgcrawl.volumes.metadata.local_folder import read_document
from imgcrawl.volumes.metadata.multiscale import read_multiscale
from imgcrawl.volumes.metadata.precomputed import middle_chunk
from spiders.base.dataset import DatasetSpider
from spiders.base.volume_arguments import VolumeArguments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from imgcrawl.records.items import Metadata, SpiderOutput
    from imgcrawl.records.volume import Format, Level, Multiscale, VolumeAddress, Zyx
    from imgcrawl.volumes.crop.foreground import Voxels

MAX_DRAWS = 100  # without one that has the foreground that is asked for
_MAX_MOVES = 3
_ABSENT = frozenset({403, 404, 410})  # buckets that may not be listed answer 403 for absence

V = TypeVar("V", bound=VolumeArguments)


class _Moved(Exception):  # noqa: N818 - an answer more than a fault
    """The documents of a volume are asked for at one address, and come from another."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class VolumeSpider(DatasetSpider[V], Generic[V]):
    """Opens volumes, and yields cubes of them. A subclass says which volume, levels and format."""

    def address(self, text: str, *, local: bool = True) -> VolumeAddress:
        """What a text names, buckets being where the settings S3_URL and GCS_URL say.

        local: whether a folder of this computer may be named. Raises SourceError.
        """
        try:
            return self._named_by(text, local=local)
        except ValueError as error:
            words = str(error).removesuffix(".")
            raise SourceError(f"{printable(text)} cannot be read: {words}.") from error

    async def open_picture(self, address: VolumeAddress) -> Multiscale:
        """The picture at an address; what is asked for later is where its documents came from.

        Raises SourceError.
        """
        for _ in range(_MAX_MOVES):
            try:
                return await self._read(address)
            except _Moved as moved:
                # Whoever reads the chunks follows no redirects.
                self.logger.info("%s is now at %s", address.shown, moved.url)
                is_bucket = address.shown.startswith(("s3://", "gs://"))
                shown = address.shown if is_bucket else moved.url.rstrip("/")
                address = replace(address, shown=shown, url=moved.url)
        raise SourceError(f"{address.shown} moves on and on.")

    async def cubes(
        self, picture: Multiscale, levels: Sequence[Level], name: str, format_: Format
    ) -> AsyncIterator[SpiderOutput]:
        """The cubes that box or size ask for, of each level; without either the level as one cube.

        name: stands in the files' names
        Raises SourceError where none can be had.
        """
        for level in levels:
            self._check(level, format_)
            await self._require_plain(level)
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
                yield self._item(Crop(level, origin, shape, format_, self.args.time), name)

    async def _read(self, address: VolumeAddress) -> Multiscale:
        async def get(url: str) -> bytes | None:
            if url.startswith("file:"):
                try:
                    return await asyncio.to_thread(read_document, url)
                except OSError as error:
                    raise SourceError(f"{url} cannot be read: {error}.") from error
            response = await self.fetch(url, download_maxsize=MAX_DOCUMENT)
            if response.status in _ABSENT:
                return None
            if response.status != 200:
                raise SourceError(f"{url} cannot be read: HTTP {response.status}.")
            document = url.removeprefix(address.url)
            if url.startswith(address.url) and "?" not in document:
                base = response.url.removesuffix(document)
                if base not in {response.url, address.url} and base.endswith("/"):
                    raise _Moved(base)
            return response.body

        def resolve(text: str) -> VolumeAddress:
            return self._named_by(text, local=False)

        return await read_multiscale(get, address, resolve=resolve)

    def _named_by(self, text: str, *, local: bool) -> VolumeAddress:
        s3_url, gcs_url = self.settings["S3_URL"], self.settings["GCS_URL"]
        return parse_address(text, s3_url=s3_url, gcs_url=gcs_url, local=local)

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

    async def _require_plain(self, level: Level) -> None:
        """Raise SourceError where chunks lie packed under other names, and none would be found.

        cloud-volume writes NAME.gz into folders. In a bucket a chunk has its own name, and a
        header says how it is packed.
        """
        is_bucket = level.address.shown.startswith(("s3://", "gs://"))
        if level.driver != "neuroglancer_precomputed" or is_bucket:
            return
        chunk = middle_chunk(level)
        if not await self._is_packed(f"{chunk}.gz") or await self._peek(chunk):
            return
        raise SourceError(
            f"{level.address.shown} has its chunks packed as files of other names "
            f"({chunk}.gz), which are not read here: all of it would read as zeros. "
            "Type gunzip -r in a copy of the folder, and crawl that."
        )

    async def _is_packed(self, url: str) -> bool:
        return (await self._peek(url))[:2] == b"\x1f\x8b"

    async def _peek(self, url: str) -> bytes:
        """What lies behind a URL, nothing where nothing does."""
        if url.startswith("file:"):
            return await asyncio.to_thread(read_document, url) or b""
        response = await self.fetch(url, dont_cache=True)
        return response.body if response.status == 200 else b""

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
        """So many different boxes, in the order of their numbers."""
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
        """A small box, to be judged by."""
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


def file_part(name: str, most: int) -> str:
    """A piece of a file's name made of any text; what had to be changed carries a hash."""
    safe = re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("._")
    if safe == name and len(name) <= most:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{safe[: most - 9]}~{digest}"
