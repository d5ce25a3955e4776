"""OmeroTree: which images are below an object of a server, and what an object lies in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from imgcrawl.records.items import Metadata
from imgcrawl.sources.omero.records import well_images, well_name, well_of_path

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

    async def images(
        self, kind: str, record: dict[str, Any], place: Place
    ) -> AsyncIterator[tuple[int, Place]]:
        """Yield the ids of the images below an object, each with where it lies."""
        number: int = record["@id"]
        if kind == "image":
            yield number, place
            return
        place = place | container_columns(kind, record)
        if kind == "well":
            for image_id in well_images(record):
                yield image_id, place
            return
        child, path = _LISTS[kind]
        async for below in self._api.listed(path.format(number)):
            async for found in self.images(child, below, place):
                yield found

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
        return "well", well_of_path(answer.data)

    async def study(self, place: Place) -> list[Pair]:
        """Return the annotations of the project or the screen that an image belongs to."""
        for kind in ("project", "screen"):
            if number := place.get(f"{kind}_id"):
                if (kind, number) not in self._studies:
                    pairs = await self._api.pairs(kind, number, place.get(kind))
                    self._studies[kind, number] = pairs
                return self._studies[kind, number]
        return []


def container_columns(kind: str, record: dict[str, Any]) -> Place:
    """Return the columns that a container gives to the images in it."""
    name = record.get("Name")
    if kind == "well":
        name = well_name(record)
    columns = {kind: name, f"{kind}_id": record.get("@id")}
    return {column: value for column, value in columns.items() if value not in (None, "")}
