"""iMaterialist and its kin: contests whose JSON lists images by URL, in splits."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from imgcrawl.arguments import AnyCase
from imgcrawl.dataset.outlines import CATEGORIES, LABEL, LABEL_ID
from imgcrawl.lists.opening import is_url, split_member
from imgcrawl.lists.rows import MalformedRow
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.items import Bookmark, Expects, Read
from imgcrawl.sources.contest_labels import LabelMap, last_part
from imgcrawl.sources.contests import (
    ContestImage,
    check_contest,
    read_images,
    read_label_map,
)
from imgcrawl.text.filenames import safe_path
from spiders.base.url_list import (
    UrlListArguments,
    UrlListSpider,
    checked_layout,
    laid_out,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import Item, SpiderOutput

SPLITS = ("train", "validation", "test")


class ImaterialistArguments(UrlListArguments):
    """The splits of a contest, and how to name its files."""

    dataset_year: ClassVar[int | None] = 2018

    train: str | None = Field(
        None,
        description="the split's JSON: a path or a URL, gzipped or not, or a member of a zip",
        examples=["train.json", "data.zip#train.json"],
    )
    validation: str | None = Field(None, description="likewise")
    test: str | None = Field(None, description="likewise")
    label_map: str | None = Field(
        None, description="a CSV of label ids and names (labelId, labelName)"
    )
    base: str | None = Field(
        None,
        description="the address that the names of files are below, where images have no URL",
        examples=["http://images.cocodataset.org/val2017/"],
    )
    layout: str | None = Field(
        None,
        description="names of files, made of columns, {split}, {label_id}, {label_name}, {bucket} "
        "and {id}, such as a folder a label, which torchvision and Keras read",
        examples=["{split}/{label_name}/{id}"],
    )
    naming: Annotated[Literal["id", "url"], AnyCase] = Field(
        "id", description="files by the image's id, or by the last part of its URL"
    )

    @field_validator("layout")
    @classmethod
    def _has_id(cls, layout: str | None) -> str | None:
        return None if layout is None else checked_layout(layout)

    def splits(self) -> dict[str, str]:
        """Return the splits that are given, and their lists."""
        given = {split: getattr(self, split) for split in SPLITS}
        return {split: source for split, source in given.items() if source}

    def lists(self) -> tuple[str, ...]:
        """Return the lists of the splits that are given."""
        return tuple(self.splits().values())

    @model_validator(mode="after")
    def _is_complete(self) -> ImaterialistArguments:
        if not self.splits():
            raise ValueError("Which split? Type -a train=train.json, or validation=, or test=.")
        try:
            if "-" in (*self.splits().values(), self.label_map):
                raise ArgumentError("Each list is read twice: give a path, not standard input.")
            for source in self.splits().values():
                if not is_url(source):
                    check_contest(*split_member(source), self.base or "")
            if self.label_map and not is_url(self.label_map):
                read_label_map(self.label_map)
        except ArgumentError as error:
            raise ValueError(str(error)) from error
        return self


class ImaterialistSpider(UrlListSpider[ImaterialistArguments]):
    """The images of a contest by the URLs in its JSON, each split in a folder, labels in columns.

    Knows iMaterialist 2018 Furniture and Fashion, 2019 Product, and what has the shape of COCO.
    Labels are joined by image id, wherever they stand. Caveats: about 1 % of such links die each
    month; what a lost image's URL says of it stands in failures.csv.
    """

    name = "imaterialist"
    arguments: ClassVar[type[ImaterialistArguments]] = ImaterialistArguments
    example = "scrapy crawl imaterialist -a train=train.json -a validation=validation.json"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the images of all splits."""
        sources = {
            split: await self.local_list(source) for split, source in self.args.splits().items()
        }
        names: dict[str, str] = {}
        if self.args.label_map:
            names = read_label_map((await self.local_list(self.args.label_map))[0])
        labels = {}
        for split, (path, member) in sources.items():
            self.logger.info("Reading the labels of %s", split)
            by_url = self.args.naming == "url"
            labels[split] = await asyncio.to_thread(LabelMap.read, path, member, last_parts=by_url)
            yield Expects(labels[split].images)
        categories = {key: name for split in labels.values() for key, name in split.names.items()}
        yield Bookmark(CATEGORIES, json.dumps(categories | names))
        read = Read(0, 0, 0)
        for split, (path, member) in sources.items():
            known = labels[split].names | names
            records = unreadable = 0
            for image in read_images(path, member, labels[split], self.args.base or ""):
                records += isinstance(image, ContestImage)
                unreadable += isinstance(image, MalformedRow)
                if isinstance(image, MalformedRow):
                    yield self.unreadable(f"{split}: {self.args.splits()[split]}", image)
                else:
                    yield self._item(split, image, labels[split], known)
            read += Read(records + unreadable, records, unreadable)
        yield read

    def _item(
        self, split: str, image: ContestImage, labels: LabelMap, names: dict[str, str]
    ) -> Item:
        metadata = image.fields | {"split": split, "image_id": image.id}
        if image.labels:
            metadata["label_id"] = " ".join(image.labels)
            if any(label in names for label in image.labels):
                metadata["label"] = ", ".join(names.get(label, label) for label in image.labels)
        if (ids := metadata.get(LABEL_ID)) and any(each in names for each in ids):
            metadata[LABEL] = [names.get(each, each) for each in ids]
        stem = _stem(image.id)
        if self.args.naming == "url":
            last = last_part(image.urls[0])
            # The seed's scripts let such images overwrite, or stand for, each other.
            stem = f"{_stem(last)}~{stem}" if labels.is_shared(last) else _stem(last)
        path = f"{split}/{stem}"
        if self.args.layout:
            named = {"label_name": metadata.get("label", metadata.get("label_id"))}
            path = laid_out(self.args.layout, {**metadata, **named, "id": stem})
        return self.item(f"{split}/{image.id}", image.urls, path, metadata)


def _stem(name: str) -> str:
    """Return a file's name without the extension of a picture, safe as a part of a path."""
    base, dot, extension = name.rpartition(".")
    known = {"jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff"}
    stem = base if dot and extension.lower() in known else name
    try:
        return safe_path(stem.replace("/", "_"))
    except ValueError:
        return "unnamed"
