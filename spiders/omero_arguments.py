"""What can be asked of an OMERO server."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from imgcrawl.arguments import SpiderArguments, Words
from imgcrawl.sources.omero.records import KINDS, parse_link


def _ids(value: Any) -> Any:
    """``1,2`` as numbers; ``image-1`` is what the webclient copies."""
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
    dry_run: bool = Field(
        False, description="only say what there is: files, sizes, formats, and how long it takes"
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
    def _asks(self) -> OmeroArguments:
        if self.link is not None and self.server is not None:
            raise ValueError("link says which server; leave server out, or give ids in its place")
        if self.link is None and not any(getattr(self, kind) for kind in KINDS):
            raise ValueError(f"what to download? Give link, or ids as one of {', '.join(KINDS)}")
        return self

    def asked(self, default: str) -> list[tuple[str, str, int]]:
        """(server, kind, id) of all that is asked for, each once; ids are of `default`."""
        found = []
        server = self.server or default
        if self.link is not None:
            shown = parse_link(self.link)
            server = shown.server
            found = [(server, kind, number) for kind, number in shown.shown]
        found += [(server, kind, number) for kind in KINDS for number in getattr(self, kind)]
        return list(dict.fromkeys(found))
