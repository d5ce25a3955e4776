"""Images of an OMERO server: the Image Data Resource (IDR), or any other with a public website."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar

from imgcrawl.records.items import Expects, FileItem, Metadata, Missing, Unreadable
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.omero.api import OmeroAnswerError, OmeroApi
from imgcrawl.sources.omero.files import FilesetPaths, by_rule, read_download_urls, read_paths
from imgcrawl.sources.omero.records import (
    Pair,
    annotation_columns,
    image_columns,
    license_columns,
    license_fits,
    well_images,
    well_name,
    well_of_path,
)
from spiders.base.dataset import DatasetSpider
from spiders.omero_arguments import OmeroArguments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput

    Place = Metadata  # the containers that an image lies in: dataset, dataset_id, ...

_LISTS = {  # what a container holds, and where that is listed
    "project": ("dataset", "api/v0/m/projects/{}/datasets/"),
    "dataset": ("image", "api/v0/m/datasets/{}/images/"),
    "screen": ("plate", "api/v0/m/screens/{}/plates/"),
    "plate": ("well", "api/v0/m/plates/{}/wells/"),
}
_PARENTS = {  # and what holds it
    "image": ("dataset", "api/v0/m/images/{}/datasets/"),
    "dataset": ("project", "api/v0/m/datasets/{}/projects/"),
    "well": ("plate", "api/v0/m/wells/{}/plates/"),
    "plate": ("screen", "api/v0/m/plates/{}/screens/"),
}


class OmeroSpider(DatasetSpider[OmeroArguments]):
    """The files that images of an OMERO server were imported from, as they were.

    API documentation: https://docs.openmicroscopy.org/latest/omero/developers/json-api.html
    Caveats: several images may share files, and then have one row: that of the first. Where a
    server hands out no files, nothing rendered is taken in their place.
    """

    name = "omero"
    arguments: ClassVar[type[OmeroArguments]] = OmeroArguments
    example = "scrapy crawl omero -a image=9846137"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """The files of each image, in the server's order."""
        self._seen: set[tuple[str, str]] = set()
        self._studies: dict[tuple[str, str, int], list[Pair]] = {}
        self._unfit = 0
        apis: dict[str, OmeroApi] = {}
        for server, kind, number in self.args.asked(self.settings["IDR_URL"]):
            api = apis.setdefault(server, OmeroApi(self, server))
            answer = await api.record(kind, number)
            if answer.missing is not None:
                yield self._missing(f"{kind}-{number}", answer.missing)
                continue
            place = await self._place(api, kind, number, answer.data)
            study = await self._study(api, place | _named(kind, answer.data))
            licence = license_columns(study).get("copyright_license", "not told")
            yield Expects(note=f"{kind.title()} {number}: the licence is {licence}.")
            below = self._images(api, kind, {**answer.data, "@id": number}, place)
            async for image_id, where in below:
                try:
                    async for said in self._image(api, image_id, where):
                        yield said
                except OmeroAnswerError as error:
                    # One image that the server stumbles over does not stop the others.
                    yield Unreadable(f"image-{image_id}", str(error))
        if self._unfit:
            self.logger.info("%s images are under other licences", f"{self._unfit:,}")

    # --- which images ---

    async def _images(
        self, api: OmeroApi, kind: str, record: dict[str, Any], place: Place
    ) -> AsyncIterator[tuple[int, Place]]:
        """The images below an object, each with where it lies."""
        number: int = record["@id"]
        if kind == "image":
            yield number, place
            return
        place = place | _named(kind, record)
        if kind == "well":
            for image_id in well_images(record):
                yield image_id, place
            return
        child, path = _LISTS[kind]
        async for below in api.listed(path.format(number)):
            async for found in self._images(api, child, below, place):
                yield found

    async def _place(self, api: OmeroApi, kind: str, number: int, record: dict[str, Any]) -> Place:
        """The containers above an object: the first of each kind that the server names."""
        place: Place = {}
        if kind == "image":
            kind, number = await self._above_image(api, number)
            record = (await api.record(kind, number)).data if number else {}
            place = _named(kind, record) if record else {}
        while kind in _PARENTS and number:
            parent, path = _PARENTS[kind]
            above: dict[str, Any] = {}
            async for found in api.listed(path.format(number), optional=True):
                above = above or found
            kind, number = parent, above.get("@id", 0)
            place |= _named(kind, above) if number else {}
        return place

    async def _above_image(self, api: OmeroApi, number: int) -> tuple[str, int]:
        """The dataset or, for one of a screen, the well that an image lies in; 0 for none."""
        async for dataset in api.listed(_PARENTS["image"][1].format(number), optional=True):
            return "dataset", dataset["@id"]
        answer = await api.ask(f"webclient/api/paths_to_object/?image={number}")
        return "well", well_of_path(answer.data)

    # --- what an image comes to ---

    async def _image(
        self, api: OmeroApi, image_id: int, place: Place
    ) -> AsyncIterator[SpiderOutput]:
        if (api.server, f"image-{image_id}") in self._seen:
            return
        study = await self._study(api, place)
        licence = license_columns(study)
        if self.args.license and not license_fits(
            licence.get("copyright_license", ""), self.args.license
        ):
            self._unfit += 1
            return
        paths = read_paths((await api.ask(f"webgateway/original_file_paths/{image_id}/")).data)
        if (api.server, group := _group(image_id, paths)) in self._seen:
            return
        answer = await api.record("image", image_id)
        if answer.missing is not None:
            yield self._missing(f"image-{image_id}", answer.missing, place)
            return
        pairs = [*study, *await api.pairs("image", image_id)]
        metadata = image_columns(answer.data) | place | licence | annotation_columns(pairs)
        if paths.fileset is not None:
            metadata["fileset"] = paths.fileset
        async for item in self._files(api, image_id, paths, metadata):
            yield item
        # Only now: where this image failed, another of its fileset may lead to the files.
        self._first(api, group)

    async def _files(
        self, api: OmeroApi, image_id: int, paths: FilesetPaths, metadata: Metadata
    ) -> AsyncIterator[FileItem]:
        """One record a file: by IDR's list, by its rule, or from the server itself."""
        group = _group(image_id, paths)
        told = await api.download_urls(image_id)
        originals = read_download_urls(told) or by_rule(paths, self.settings["IDR_FILES_URL"])
        for original in originals:
            if self._is_wanted(original.name) and self._first(api, original.url):
                item = _item(f"{group}/{original.name}", original.url, metadata)
                if original.problem:
                    item.result = Missing(Outcome.NOT_FOUND, original.problem, original.url)
                yield item
        if originals:
            return
        names = [name for name in paths.names if self._is_wanted(name)]
        if paths.names and not names:
            return
        archived = await api.archived(image_id)
        if isinstance(archived, Missing):
            if isinstance(told, dict) and told.get("error"):
                words = f"{archived.message}; its list of files says: {told['error']}"
                archived = replace(archived, message=words)
            record_id = _archived_id(group, paths, "") if names else group
            yield self._missing(record_id, archived, metadata)
            return
        record_id = _archived_id(group, paths, archived)
        if paths.names or self._is_wanted(record_id):
            yield _item(record_id, api.archived_url(image_id), metadata)

    async def _study(self, api: OmeroApi, place: Place) -> list[Pair]:
        """What is said of the project or the screen that an image belongs to."""
        for kind in ("project", "screen"):
            if number := place.get(f"{kind}_id"):
                key = (api.server, kind, number)
                if key not in self._studies:
                    self._studies[key] = await api.pairs(kind, number, place.get(kind))
                return self._studies[key]
        return []

    def _first(self, api: OmeroApi, name: str) -> bool:
        key = (api.server, name)
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def _is_wanted(self, name: str) -> bool:
        name = name.lower()
        globs = [glob.lower() for glob in self.args.match]
        last = name.rsplit("/", 1)[-1]
        return not globs or any(fnmatchcase(n, g) for g in globs for n in (name, last))

    @staticmethod
    def _missing(record_id: str, why: Missing, metadata: Metadata | None = None) -> FileItem:
        return FileItem(record_id, [], f"files/{record_id}", metadata or {}, result=why)


def _item(record_id: str, url: str, metadata: Metadata) -> FileItem:
    return FileItem(record_id, [url], f"files/{record_id}", dict(metadata))


def _named(kind: str, record: dict[str, Any]) -> Place:
    """The columns that a container gives to the images in it."""
    name = record.get("Name")
    if kind == "well":
        name = well_name(record)
    columns = {kind: name, f"{kind}_id": record.get("@id")}
    return {column: value for column, value in columns.items() if value not in (None, "")}


def _group(image_id: int, paths: FilesetPaths) -> str:
    return f"image-{image_id}" if paths.fileset is None else f"fileset-{paths.fileset}"


def _archived_id(group: str, paths: FilesetPaths, given: str) -> str:
    """The record of what stock OMERO hands out, the same in every run: a file, or a zip of them."""
    if len(paths.names) > 1:
        return f"{group}.zip"
    return f"{group}/{paths.names[0] if paths.names else given or 'original'}"
