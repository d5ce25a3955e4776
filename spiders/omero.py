"""Images of an OMERO server: the Image Data Resource (IDR), or any other with a public website."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from imgcrawl.arguments import SpiderArguments, Words
from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Expects
from imgcrawl.sources.omero.api import OmeroApi
from imgcrawl.sources.omero.image_items import OmeroImageItems, missing_item
from imgcrawl.sources.omero.records import KINDS, license_columns, parse_link
from imgcrawl.sources.omero.tree import OmeroTree, container_columns
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput


def _ids(value: Any) -> Any:
    """Return the numbers in ``1,2``. Raises ValueError for ``image-1``, as the webclient copies."""
    if not isinstance(value, str):
        return value
    words = [word.strip() for word in value.split(",") if word.strip()]
    for word in words:
        if not (word.isdecimal() and word.isascii()):
            raise ValueError(f"{word} is no id; type numbers, such as 9846137,9846138")
    return list(dict.fromkeys(int(word) for word in words))


Ids = Annotated[list[int], BeforeValidator(_ids)]


class OmeroArguments(SpiderArguments):
    """Which images of which OMERO server."""

    image: Ids = Field([], description="ids of images", examples=["9846137"])
    dataset: Ids = Field([], description="ids of datasets: all their images", examples=["10740"])
    project: Ids = Field([], description="ids of projects: all their datasets")
    screen: Ids = Field([], description="ids of screens: all their plates")
    plate: Ids = Field([], description="ids of plates: all their wells")
    well: Ids = Field([], description="ids of wells: the images of all their fields")
    link: str | None = Field(
        None,
        description="any link of OMERO.web to one of these; its host is the server",
        examples=["https://idr.openmicroscopy.org/webclient/?show=image-9846137"],
    )
    server: str | None = Field(
        None, description="OMERO.web's address; by default the Image Data Resource"
    )
    match: Words = Field(
        [], description="only files with such names, any case", examples=["*.tif,*.czi"]
    )
    license: Words = Field(
        [],
        description="only studies under one of these licences (CC-BY is any version of it)",
        examples=["CC-BY,CC0"],
    )

    @field_validator("link")
    @classmethod
    def _is_link(cls, link: str | None) -> str | None:
        if link is not None:
            parse_link(link)
        return link

    @field_validator("server")
    @classmethod
    def _is_address(cls, server: str | None) -> str | None:
        if server is None:
            return None
        parts = urlsplit(server)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("type an address such as https://omero.example.org/")
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"

    @model_validator(mode="after")
    def _is_complete(self) -> OmeroArguments:
        if self.link is not None and self.server is not None:
            raise ValueError("link says which server; leave server out, or give ids in its place")
        if self.link is None and not any(getattr(self, kind) for kind in KINDS):
            raise ValueError(f"what to download? Give link, or ids as one of {', '.join(KINDS)}")
        return self

    def asked(self, default: str) -> list[tuple[str, str, int]]:
        """Return (server, kind, id) of all that is asked for, each once; ids are of `default`."""
        found = []
        server = self.server or default
        if self.link is not None:
            shown = parse_link(self.link)
            server = shown.server
            found = [(server, kind, number) for kind, number in shown.shown]
        found += [(server, kind, number) for kind in KINDS for number in getattr(self, kind)]
        return list(dict.fromkeys(found))


class OmeroSpider(DatasetSpider[OmeroArguments]):
    """The files that images of an OMERO server were imported from, as they were.

    API documentation: https://docs.openmicroscopy.org/latest/omero/developers/json-api.html
    Several images may share files: these have one row, and wells.csv one for each image. Caveat:
    where a server hands out no files, nothing rendered is taken in their place.
    """

    name = "omero"
    arguments: ClassVar[type[OmeroArguments]] = OmeroArguments
    example = "scrapy crawl omero -a image=9846137"
    # Without its cookie, a server makes a session of its own for every request.
    custom_settings: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "COOKIES_ENABLED": True,
        "DOWNLOADER_MIDDLEWARES": {
            "scrapy.downloadermiddlewares.cookies.CookiesMiddleware": 700,
        },
    }

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the files of each image, in the server's order."""
        servers: dict[str, OmeroImageItems] = {}
        async for server, kind, number in self._asked():
            items = servers.setdefault(server, self._items(server))
            answer = await items.api.record(kind, number)
            if answer.missing is not None:
                yield missing_item(f"{kind}-{number}", answer.missing)
                continue
            place = await items.tree.place(kind, number, answer.data)
            study = await items.tree.study(place | container_columns(kind, answer.data))
            licence = license_columns(study).get("copyright_license", "not told")
            yield Expects(note=f"{kind.title()} {number}: the licence is {licence}.")
            record = {**answer.data, "@id": number}
            async for batch in items.tree.batches(kind, record, place):
                async for output in items.of_batch(batch):
                    yield output
        if unfit := sum(items.unfit for items in servers.values()):
            self.logger.info("%s images are under other licences", f"{unfit:,}")

    async def _asked(self) -> AsyncIterator[tuple[str, str, int]]:
        """Yield what is asked for, a study by its projects and screens. Raises SourceError."""
        link = parse_link(self.args.link) if self.args.link else None
        if link is not None and link.study:
            named = await OmeroTree(OmeroApi(self, link.server)).named(link.study)
            if not named:
                raise SourceError(f"{link.server} has no project or screen called {link.study}.")
            for kind, number in named:
                yield link.server, kind, number
        for server, kind, number in self.args.asked(self.settings["IDR_URL"]):
            if kind != "run":
                yield server, kind, number
            elif plate := await OmeroTree(OmeroApi(self, server)).plate_of_run(number):
                yield server, "plate", plate
            else:
                raise SourceError(f"{server} has no run {number} that is open to everyone.")

    def _items(self, server: str) -> OmeroImageItems:
        api = OmeroApi(self, server)
        files_url, args = self.settings["IDR_FILES_URL"], self.args
        return OmeroImageItems(api, OmeroTree(api), files_url, args.match, args.license)
