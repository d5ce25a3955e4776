"""OmeroImageItems: the original files of an image, as records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from imgcrawl.records.items import FileItem, Metadata, Missing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.omero.files import FilesetPaths, files_by_rule, read_download_urls, read_paths
from imgcrawl.sources.omero.records import (
    annotation_columns,
    image_columns,
    license_columns,
    license_fits,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from imgcrawl.sources.omero.api import OmeroApi
    from imgcrawl.sources.omero.tree import OmeroTree, Place


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
    _seen: set[str] = field(default_factory=set)  # images, filesets, addresses

    async def of_image(self, image_id: int, place: Place) -> AsyncIterator[FileItem]:
        """Yield the files of an image that no other image had before.

        Raises OmeroAnswerError if the server stumbles over this image.
        """
        if f"image-{image_id}" in self._seen:
            return
        study = await self.tree.study(place)
        licence = license_columns(study)
        if self.licenses and not license_fits(licence.get("copyright_license", ""), self.licenses):
            self.unfit += 1
            return
        answer = await self.api.ask(f"webgateway/original_file_paths/{image_id}/")
        paths = read_paths(answer.data)
        if (group := _group(image_id, paths)) in self._seen:
            return
        answer = await self.api.record("image", image_id)
        if answer.missing is not None:
            yield missing_item(f"image-{image_id}", answer.missing, place)
            return
        pairs = [*study, *await self.api.pairs("image", image_id)]
        metadata = image_columns(answer.data) | place | licence | annotation_columns(pairs)
        if paths.fileset is not None:
            metadata["fileset"] = paths.fileset
        async for item in self._files(image_id, paths, metadata):
            yield item
        # Only now: if this image failed, another of its fileset may lead to the files.
        self._seen.add(group)

    async def _files(
        self, image_id: int, paths: FilesetPaths, metadata: Metadata
    ) -> AsyncIterator[FileItem]:
        """Yield one record a file: by IDR's list, by its rule, or from the server itself."""
        group = _group(image_id, paths)
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
        archived = await self.api.archived(image_id)
        if isinstance(archived, Missing):
            if isinstance(listed, dict) and listed.get("error"):
                words = f"{archived.message}; its list of files says: {listed['error']}"
                archived = replace(archived, message=words)
            record_id = _archived_id(group, paths, "") if names else group
            yield missing_item(record_id, archived, metadata)
            return
        record_id = _archived_id(group, paths, archived)
        if paths.names or self._is_wanted(record_id):
            yield _item(record_id, self.api.archived_url(image_id), metadata)

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


def _group(image_id: int, paths: FilesetPaths) -> str:
    return f"image-{image_id}" if paths.fileset is None else f"fileset-{paths.fileset}"


def _archived_id(group: str, paths: FilesetPaths, given: str) -> str:
    """Return the id of what stock OMERO hands out, a file or a zip: the same in every run."""
    if len(paths.names) > 1:
        return f"{group}.zip"
    return f"{group}/{paths.names[0] if paths.names else given or 'original'}"
