"""OmeroTree: which images are below an object of a server, and what an object lies in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from imgcrawl.records.items import Metadata
from imgcrawl.sources.omero.api import PAGE
from imgcrawl.sources.omero.filesets import FoundImage, OmeroFilesets, marked_as_shared
from imgcrawl.sources.omero.records import on_path, well_images, well_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.sources.omero.api import OmeroApi
    from imgcrawl.sources.omero.records import Pair

Place: TypeAlias = Metadata  # the containers that an image lies in: dataset, dataset_id, ...

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


class OmeroTree:
    """Project, dataset, image; or screen, plate, well, image: the containers of one server."""

    def __init__(self, api: OmeroApi) -> None:
        self._api = api
        self._studies: dict[tuple[str, int], list[Pair]] = {}
        self.filesets = OmeroFilesets(api)

    async def batches(
        self, kind: str, record: dict[str, Any], place: Place
    ) -> AsyncIterator[list[FoundImage]]:
        """Yield the images below an object: those of a page of a dataset, or of a plate, at once.

        Raises OmeroAnswerError.
        """
        number: int = record["@id"]
        if kind == "image":
            alone = _found(record, place)
            yield [replace(alone, is_shared="well_id" in place or bool(alone.series))]
            return
        place = place | container_columns(kind, record)
        match kind:
            case "well":
                yield [replace(image, is_shared=True) for image in _in_well(record, place)]
            case "plate":
                wells = self._api.listed(_LISTS[kind][1].format(number))
                images = [image async for well in wells for image in _of_well(well, place)]
                yield await self.filesets.of_plate(images)
            case "dataset":
                async for page in self._of_dataset(number, place):
                    yield page
            case _:
                child, path = _LISTS[kind]
                async for below in self._api.listed(path.format(number)):
                    async for batch in self.batches(child, below, place):
                        yield batch

    async def _of_dataset(self, number: int, place: Place) -> AsyncIterator[list[FoundImage]]:
        filesets = await self.filesets.of_dataset(number)
        counts = Counter(filesets.values())
        page: list[FoundImage] = []
        async for record in self._api.listed(_LISTS["dataset"][1].format(number)):
            found = _found(record, place)
            page.append(replace(found, fileset=filesets.get(found.number)))
            if len(page) >= PAGE:
                yield marked_as_shared(page, counts)
                page = []
        yield marked_as_shared(page, counts)

    async def named(self, study: str) -> list[tuple[str, int]]:
        """Return the projects and screens whose names begin with that of a study."""
        return [
            (kind, record["@id"])
            for kind in ("project", "screen")
            async for record in self._api.listed(f"api/v0/m/{kind}s/")
            if str(record.get("Name") or "").lower().startswith(study.lower())
        ]

    async def plate_of_run(self, number: int) -> int:
        """Return the plate that a run (an acquisition) is of, or 0."""
        answer = await self._api.ask(f"webclient/api/paths_to_object/?run={number}")
        return on_path(answer.data, "plate")

    async def place(self, kind: str, number: int, record: dict[str, Any]) -> Place:
        """Return the containers above an object: the first of each kind that the server names."""
        place: Place = {}
        if kind == "image":
            kind, number = await self._above_image(number)
            record = (await self._api.record(kind, number)).data if number else {}
            place = container_columns(kind, record) if record else {}
        while kind in _PARENTS and number:
            parent, path = _PARENTS[kind]
            above: dict[str, Any] = {}
            async for found in self._api.listed(path.format(number), optional=True):
                above = above or found
            kind, number = parent, above.get("@id", 0)
            place |= container_columns(kind, above) if number else {}
        return place

    async def _above_image(self, number: int) -> tuple[str, int]:
        """Return the dataset or, of a screen, the well that an image lies in; id 0 for none."""
        async for dataset in self._api.listed(_PARENTS["image"][1].format(number), optional=True):
            return "dataset", dataset["@id"]
        answer = await self._api.ask(f"webclient/api/paths_to_object/?image={number}")
        return "well", on_path(answer.data, "well")

    async def study(self, place: Place) -> list[Pair]:
        """Return the annotations of the project or the screen that an image belongs to."""
        for kind in ("project", "screen"):
            if number := place.get(f"{kind}_id"):
                if (kind, number) not in self._studies:
                    pairs = await self._api.pairs(kind, number, place.get(kind))
                    self._studies[kind, number] = pairs
                return self._studies[kind, number]
        return []


def _found(record: dict[str, Any], place: Place) -> FoundImage:
    series = record.get("omero:series")
    name = str(record.get("Name") or "")
    series = series if isinstance(series, int) else None
    return FoundImage(record["@id"], place, series=series, name=name)


def _of_well(record: dict[str, Any], place: Place) -> list[FoundImage]:
    return _in_well(record, place | container_columns("well", record))


def _in_well(record: dict[str, Any], place: Place) -> list[FoundImage]:
    return [
        replace(_found(image, place), well=record["@id"], field=field)
        for field, image in enumerate(well_images(record), start=1)
    ]


def container_columns(kind: str, record: dict[str, Any]) -> Place:
    """Return the columns that a container gives to the images in it."""
    name = record.get("Name")
    if kind == "well":
        name = well_name(record)
    columns = {kind: name, f"{kind}_id": record.get("@id")}
    return {column: value for column, value in columns.items() if value not in (None, "")}
