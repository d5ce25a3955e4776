"""What the ISIC Archive can be asked for."""

from __future__ import annotations

import re
from collections import deque
from datetime import date  # noqa: TC003 - pydantic reads it
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    create_model,
    field_validator,
    model_validator,
)

from imgcrawl.arguments import AnyCase, ImageArguments, ReadsStdin, Words
from imgcrawl.records.errors import ArgumentError
from imgcrawl.sources.isic.id_table import read_id_table
from imgcrawl.sources.isic.masks import SegLevel
from imgcrawl.sources.isic.query import (
    Filter,
    check_query,
    combine,
    filter_query,
    license_query,
    parse_id,
)
from imgcrawl.sources.isic.query_fields import FIELDS, FieldKind, check_column
from imgcrawl.storage.places import plain_folder
from imgcrawl.text.filenames import layout_fields
from imgcrawl.text.suggest import did_you_mean

ChallengeName = Literal["2016", "2017", "2018", "2019", "2020", "2024", "ham10000", "bcn20000"]


if TYPE_CHECKING:
    _ClassArguments = ImageArguments
else:  # the word is Python's own, and cannot be that of an attribute
    _ClassArguments = create_model(
        "_ClassArguments",
        __base__=ImageArguments,
        **{
            "class": (
                str,
                Field("diagnosis_1", description="the column whose values are the classes"),
            )
        },
    )


class IsicArguments(_ClassArguments):
    """What the ISIC Archive can be asked for."""

    filter: Annotated[Filter | None, AnyCase] = Field(None, description="by diagnosis, any case")
    query: str = Field(
        "",
        description="in the archive's own language; checked before any request",
        examples=["age_approx:[20 TO 40] AND sex:female"],
    )
    collections: Words = Field([], description="ids or names", examples=["212", "HAM10000"])
    ids: Words = Field([], description="ISIC ids, or the 24 hex digits of the old archive")
    ids_file: Annotated[str | None, ReadsStdin()] = Field(
        None,
        description="a list or table of ids (CSV, TSV, JSON, Parquet; the column is found); - is "
        "standard input",
    )
    challenge: Annotated[ChallengeName | None, AnyCase] = Field(
        None, description="a set that people mean by name, from its official tables: label, split"
    )
    tables: str | None = Field(
        None, description="a folder of yours with the official tables of the challenge"
    )
    per_class: PositiveInt | None = Field(
        None, description="so many images of each class of the search, drawn by seed"
    )
    seed: int = Field(0, description="for per_class: the same seed draws the same images")
    num_images: PositiveInt | None = Field(None, description="stop after so many images")
    offset: NonNegativeInt = Field(
        0, description="leave out the first so many matches, oldest first (they are paged through)"
    )
    since: date | None = Field(
        None,
        description="taken in by the archive on or after this day (YYYY-MM-DD, UTC), whenever they "
        "were published",
    )
    sync: Annotated[Literal["auto", "full"], AnyCase] = Field(
        "auto",
        description="auto: read what is new, and all of a list if its count, bytes or labels are "
        "other ones than those known, or after a week; full: all of it in any case",
    )
    license: Words = Field([], description="CC-0, CC-BY, CC-BY-NC")
    images: Annotated[Literal["full", "thumbnail", "none"], AnyCase] = Field(
        "full", description="which picture; none: only the metadata"
    )
    descriptions: bool = Field(False, description="each image's JSON beside it, one file each")
    images_dir: str = Field("images", description="below out")
    descs_dir: str = Field("descriptions", description="below out")
    seg_dir: str = Field("segmentations", description="below out")
    segmentation: bool = Field(
        False, description="masks too, from the IMA++ release and the challenges' ground truth"
    )
    seg_level: Annotated[SegLevel, AnyCase] = Field(
        SegLevel.ANY, description="whose masks; any: the best one of each image"
    )
    attributes: bool = Field(
        False, description="masks of dermoscopic attributes too, from the challenge 2018 (task 2)"
    )
    layout: str = Field(
        "{isic_id}",
        description="names below images_dir, made of columns",
        examples=["{diagnosis_1}/{isic_id}"],
    )

    @field_validator("filter", mode="before")
    @classmethod
    def _names_what_is_wanted(cls, word: object) -> object:
        """Refuse a word that was to be left out: the nearest filter is its opposite."""
        named = re.fullmatch(r"\s*(?:[-!_]|not\s+)\s*(\w+)\s*", str(word), re.IGNORECASE)
        if named is None:
            return word
        term = next((filter_query(each) for each in Filter if each == named[1].lower()), "")
        query = term.removeprefix("-") if term.startswith("-") else f"-{term}"
        raise ValueError(
            f"a filter names what is wanted; to leave it out type -a query={query}"
            if term
            else f"a filter is one of {', '.join(Filter)}"
        )

    @field_validator("layout")
    @classmethod
    def _has_id(cls, layout: str) -> str:
        if "isic_id" not in layout_fields(layout):
            raise ValueError("two images would share a name; put {isic_id} in it")
        for name in layout_fields(layout):
            check_column(name)
        return layout

    @field_validator("images_dir", "descs_dir", "seg_dir")
    @classmethod
    def _is_folder(cls, folder: str) -> str:
        return plain_folder(folder)

    @field_validator("query")
    @classmethod
    def _is_query(cls, query: str) -> str:
        check_query(query)
        return query

    @field_validator("license")
    @classmethod
    def _are_licenses(cls, names: list[str]) -> list[str]:
        license_query(names)
        return names

    @field_validator("ids")
    @classmethod
    def _are_ids(cls, ids: list[str]) -> list[str]:
        return list(dict.fromkeys(map(parse_id, ids)))

    @model_validator(mode="after")
    def _fits(self) -> IsicArguments:
        if "seg_level" in self.model_fields_set and not self.segmentation:
            raise ValueError(
                f"seg_level={self.seg_level} is about masks: type -a segmentation=1 as well"
            )
        if self.attributes and not self.segmentation:
            raise ValueError("attributes=1 is about masks: type -a segmentation=1 as well")
        named = self.ids or self.ids_file or self.challenge
        if named and (self.offset or self.since or self.collections):
            raise ValueError(
                "ids and challenge name the images; offset, since and collections do not go with "
                "them"
            )
        if self.per_class:
            self._fits_classes()
        elif {"class", "seed"} & self.model_fields_set:
            raise ValueError("class and seed say what per_class draws: type -a per_class=200, say")
        if self.challenge and (self.ids or self.ids_file):
            raise ValueError("challenge names the images: leave out ids and ids_file")
        if self.tables and not self.challenge:
            raise ValueError("tables are those of a challenge: type -a challenge=2019, say")
        if self.tables and not Path(self.tables).expanduser().is_dir():
            raise ValueError(f"tables={self.tables} is no folder: type one that has the tables")
        if self.ids_file and self.ids_file != "-":
            try:
                deque(read_id_table(self.ids_file), maxlen=0)
            except ArgumentError as error:
                raise ValueError(str(error)) from error
        return self

    @property
    def class_column(self) -> str:
        """The column whose values are the classes."""
        return str(getattr(self, "class"))

    def _fits_classes(self) -> None:
        field = FIELDS.get(self.class_column)
        if field is None or field.kind is not FieldKind.WORD or self.class_column.endswith("_id"):
            names = [n for n, f in FIELDS.items() if f.kind is FieldKind.WORD and n[-3:] != "_id"]
            near = did_you_mean(self.class_column, names) or f": type one of {', '.join(names)}"
            raise ValueError(f"class={self.class_column} has no classes{near}")
        alone = ("ids", "ids_file", "challenge", "since", "offset", "num_images", "segmentation")
        if given := [name for name in alone if getattr(self, name)]:
            raise ValueError(f"per_class draws from a search: leave out {', '.join(given)}")
        if self.images == "none":
            raise ValueError("per_class counts pictures: leave out images=none")

    def all_ids(self) -> tuple[list[str], int]:
        """Return the ids that are asked for, each once, and how many of them are of smaller copies.

        None for all images that match.
        """
        listed = [*read_id_table(self.ids_file)] if self.ids_file else []
        given = dict.fromkeys([*self.ids, *(each.isic_id for each in listed)])
        return [*given][: self.num_images], sum(each.is_smaller for each in listed)

    def search(self, query: str) -> str:
        """Return the query that filter, license and a checked `query` come to."""
        return combine(
            query,
            filter_query(self.filter) if self.filter else "",
            license_query(self.license) if self.license else "",
        )
