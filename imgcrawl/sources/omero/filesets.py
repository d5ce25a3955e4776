"""OmeroFilesets: which images were imported together, asked for a page of them at once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imgcrawl.sources.omero.api import OmeroAnswerError
from imgcrawl.sources.omero.files import read_paths

if TYPE_CHECKING:
    from collections import Counter

    from imgcrawl.records.items import Metadata
    from imgcrawl.sources.omero.api import OmeroApi
    from imgcrawl.sources.omero.files import FilesetPaths

logger = logging.getLogger(__name__)

_PAGE = 500  # images asked for at once; a server may send fewer


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image, and where it was found.

    place:     the containers that it lies in: dataset, dataset_id, ...
    series:    its number in what was imported with it; None if the server does not say
    well:      the id of its well, 0 for none; field: its place in that, from 1
    fileset:   the id of what it was imported with, None if that is not known yet
    is_shared: other images, of those asked for, have the same files
    """

    number: int
    place: Metadata
    series: int | None = None
    name: str = ""
    well: int = 0
    field: int = 0
    fileset: int | None = None
    is_shared: bool = False

    @property
    def group(self) -> str:
        """What the ids of its files begin with."""
        return f"image-{self.number}" if self.fileset is None else f"fileset-{self.fileset}"


class OmeroFilesets:
    """The filesets of one server's images."""

    def __init__(self, api: OmeroApi) -> None:
        self._api = api
        self._paths: dict[int, FilesetPaths] = {}  # of images, until they are taken

    async def of_dataset(self, number: int) -> dict[int, int]:
        """Return the fileset of each image of a dataset; empty where the server does not tell.

        By the list that OMERO.web's own tree is made of (omero-web, webclient/tree.py).
        """
        found: dict[int, int] = {}
        page, before = 1, None
        while True:
            path = f"webclient/api/images/?id={number}&page={page}&limit={_PAGE}"
            try:
                answer = await self._api.ask(path)
            except OmeroAnswerError:
                return {}  # then each image is asked for its files
            images = answer.data.get("images") if isinstance(answer.data, dict) else None
            if not isinstance(images, list) or not images or images == before:
                return found
            for image in images:
                if isinstance(image, dict) and isinstance(image.get("filesetId"), int):
                    found[_number(image.get("id"))] = image["filesetId"]
            page, before = page + 1, images

    async def of_plate(self, images: list[FoundImage]) -> list[FoundImage]:
        """Return the images of a plate with their fileset, if all of them have the same.

        A plate is imported as one: where its first and its last image share a fileset, and no two
        images have one number in what they were imported with, all do. A server that tells no such
        numbers is believed if there is no gap between the images' ids, and that is said. The
        others stay unknown: each is asked for.
        """
        if len(images) < 3:
            return images
        numbers = {image.series for image in images}
        told = None not in numbers
        ids = {image.number for image in images}
        if len(numbers) < len(images) if told else max(ids) - min(ids) >= len(ids):
            return images
        ends = [min(images, key=_by_number), max(images, key=_by_number)]
        try:
            first, last = [(await self.paths(image.number)).fileset for image in ends]
        except OmeroAnswerError:
            return images
        if first is None or first != last:
            return images
        if not told:
            words = (
                "%s images were taken to be of fileset %s, as the first and the last of them are"
            )
            logger.info(words, f"{len(images):,}", first)
        return [replace(image, fileset=first) for image in images]

    async def paths(self, number: int) -> FilesetPaths:
        """Return the files of an image's fileset; what was asked before is not asked again."""
        if number not in self._paths:
            answer = await self._api.ask(f"webgateway/original_file_paths/{number}/")
            self._paths[number] = read_paths(answer.data)
        return self._paths[number]

    def forget(self) -> None:
        """Forget the files of images that have been dealt with: a plate may have thousands."""
        self._paths.clear()

    async def resolve(self, image: FoundImage) -> FoundImage:
        """Return an image with its fileset. Raises OmeroAnswerError."""
        if image.fileset is not None:
            return image
        paths = await self.paths(image.number)
        if paths.fileset is not None:
            kept = next((p for p in self._paths.values() if p.fileset == paths.fileset), paths)
            self._paths[image.number] = kept  # one list of files for all its images
        return replace(image, fileset=paths.fileset)


def marked_as_shared(images: list[FoundImage], counts: Counter[int]) -> list[FoundImage]:
    """Return images, each with whether others have its files. counts: images by fileset.

    A second image of an import, or one of a well, has others beside it that may not be asked for.
    """
    return [replace(image, is_shared=_is_shared(image, counts)) for image in images]


def _is_shared(image: FoundImage, counts: Counter[int]) -> bool:
    if image.fileset is None:
        return False
    return counts[image.fileset] > 1 or bool(image.series)


def _by_number(image: FoundImage) -> int:
    return image.number


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
