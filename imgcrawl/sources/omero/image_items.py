"""OmeroImageItems: the original files of an image, as records."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from imgcrawl.records.items import FileItem, Metadata, Missing, SharedBy, Unreadable
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.omero.api import ANNOTATED, OmeroAnswerError
from imgcrawl.sources.omero.files import FilesetPaths, files_by_rule, read_download_urls
from imgcrawl.sources.omero.records import (
    annotation_columns,
    image_columns,
    license_columns,
    license_fits,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from imgcrawl.sources.omero.api import OmeroApi
    from imgcrawl.sources.omero.filesets import FoundImage
    from imgcrawl.sources.omero.tree import OmeroTree

_OF_WELL = {"well", "well_id"}  # columns of a place that are of some images of a fileset only


@dataclass(slots=True)
class OmeroImageItems:
    """The images of one server, each as the files that it was imported from, each file once.

    files_url: where IDR keeps the files of most studies
    match:     only files with such names; globs
    licenses:  only images under one of these
    unfit:     how many images are under another
    """

    api: OmeroApi
    tree: OmeroTree
    files_url: str
    match: Sequence[str] = ()
    licenses: Sequence[str] = ()
    unfit: int = 0
    _seen: set[str] = field(default_factory=set)  # addresses
    _records: dict[str, str] = field(default_factory=dict)  # of filesets, by how their ids begin

    async def of_batch(
        self, batch: Sequence[FoundImage]
    ) -> AsyncIterator[FileItem | SharedBy | Unreadable]:
        """Yield the files of images of one place that no other image had before.

        An image that the server stumbles over is Unreadable, and does not stop the others.
        """
        study = await self.tree.study(batch[0].place) if batch else []
        licence = license_columns(study)
        if self.licenses and not license_fits(licence.get("copyright_license", ""), self.licenses):
            self.unfit += len(batch)
            return
        groups: dict[str, list[FoundImage]] = {}
        for image in batch:
            try:
                resolved = await self.tree.filesets.resolve(image)
            except OmeroAnswerError as error:
                yield Unreadable(f"image-{image.number}", str(error))
                continue
            groups.setdefault(resolved.group, []).append(resolved)
        common = licence | annotation_columns(study)
        for group, images in groups.items():
            shared = len(images) > 1 or any(image.is_shared for image in images)
            if group not in self._records:
                async for output in self._of_group(group, images, common, shared=shared):
                    yield output
            if shared and group in self._records:
                async for row in self._rows(self._records[group], images):
                    yield row
        self.tree.filesets.forget()

    async def _of_group(
        self, group: str, images: list[FoundImage], common: Metadata, *, shared: bool
    ) -> AsyncIterator[FileItem | Unreadable]:
        """Yield the files of a fileset: by its first image, or the next if that one fails."""
        for image in images:
            try:
                paths = await self.tree.filesets.paths(image.number)
                metadata = await self._columns(image, common, shared=shared)
                if isinstance(metadata, Missing):
                    yield missing_item(f"image-{image.number}", metadata, image.place)
                    continue
                count = 0
                async for item in self._files(image.number, group, paths, metadata):
                    count, last = count + 1, item.record_id
                    yield item
            except OmeroAnswerError as error:
                yield Unreadable(f"image-{image.number}", str(error))
                continue
            self._records[group] = last if count == 1 else group
            return

    async def _columns(
        self, image: FoundImage, common: Metadata, *, shared: bool
    ) -> Metadata | Missing:
        """Return the columns of an image's files; what is of one image alone only where it is."""
        fileset = {} if image.fileset is None else {"fileset": image.fileset}
        if shared:
            return {k: v for k, v in image.place.items() if k not in _OF_WELL} | common | fileset
        answer = await self.api.record("image", image.number)
        if answer.missing is not None:
            return answer.missing
        pairs = await self.api.pairs("image", image.number)
        own = image_columns(answer.data) | image.place | common | annotation_columns(pairs)
        return own | fileset

    async def _rows(
        self, record_id: str, images: list[FoundImage]
    ) -> AsyncIterator[SharedBy | Unreadable]:
        """Yield a row for each image that shares a record, with its own and its well's pairs."""
        for start in range(0, len(images), ANNOTATED):
            some = images[start : start + ANNOTATED]
            wells = list(dict.fromkeys(image.well for image in some if image.well))
            try:
                pairs = await self.api.pairs_of([image.number for image in some], wells)
            except OmeroAnswerError as error:
                yield Unreadable(f"image-{some[0].number} and {len(some) - 1} more", str(error))
                continue
            for image in some:
                own = pairs["image", image.number] + pairs.get(("well", image.well), [])
                columns: Metadata = {
                    "image_id": image.number,
                    "image_name": image.name or None,
                    "field": image.field or None,
                    "series": image.series,
                    "fileset": image.fileset,
                }
                yield SharedBy(record_id, image.place | columns | annotation_columns(own))

    async def _files(
        self, image_id: int, group: str, paths: FilesetPaths, metadata: Metadata
    ) -> AsyncIterator[FileItem]:
        """Yield one record a file: by IDR's list, by its rule, or from the server itself."""
        listed = await self.api.download_urls(image_id)
        originals = read_download_urls(listed) or files_by_rule(paths, self.files_url)
        for original in originals:
            if self._is_wanted(original.name) and original.url not in self._seen:
                self._seen.add(original.url)
                item = _item(f"{group}/{original.name}", original.url, metadata)
                if original.problem:
                    item.result = Missing(Outcome.NOT_FOUND, original.problem, original.url)
                yield item
        if originals:
            return
        names = [name for name in paths.names if self._is_wanted(name)]
        if paths.names and not names:
            return
        record_id = _archived_id(group, paths)
        if paths.names or self._is_wanted(record_id):
            item = _item(record_id, self.api.archived_url(image_id), metadata)
            item.hint = "OMERO.web says 404 and 403 of what nobody may have without a login"
            if isinstance(listed, dict) and listed.get("error"):
                item.hint += f"; its list of files says: {listed['error']}"
            yield item

    def _is_wanted(self, name: str) -> bool:
        name = name.lower()
        globs = [glob.lower() for glob in self.match]
        last = name.rsplit("/", 1)[-1]
        return not globs or any(fnmatchcase(n, g) for g in globs for n in (name, last))


def missing_item(record_id: str, why: Missing, metadata: Metadata | None = None) -> FileItem:
    """Return the record of a file or an object that the server does not hand out."""
    return FileItem(record_id, [], f"files/{record_id}", metadata or {}, result=why)


def _item(record_id: str, url: str, metadata: Metadata) -> FileItem:
    return FileItem(record_id, [url], f"files/{record_id}", dict(metadata))


def _archived_id(group: str, paths: FilesetPaths) -> str:
    """Return the id of what stock OMERO hands out, a file or a zip: the same in every run."""
    if len(paths.names) > 1:
        return f"{group}.zip"
    return f"{group}/{paths.names[0] if paths.names else 'original'}"
