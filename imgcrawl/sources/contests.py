"""The JSON of contests: iMaterialist in all its editions, iNaturalist, COCO.

| edition | records |
|---|---|
| 2018 Furniture | images {url: [..], image_id}, annotations {image_id, label_id} |
| 2018 Fashion | images {url, imageId}, annotations {imageId, labelId: [..]}; ids are strings |
| 2019 Product | images {id: "<md5>.jpg", url, class} |
| COCO | images {id, coco_url, flickr_url, ..}, annotations {image_id, category_id}, categories |

Labels are joined by the image's id, wherever the annotations stand and in whatever order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imgcrawl.lists.addresses import looks_like_url
from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.rows import MalformedRow, Row, excerpt
from imgcrawl.records.errors import ArgumentError
from imgcrawl.sources.contest_fields import is_image, role_keys, texts_of, urls_of
from imgcrawl.sources.contest_labels import IMAGE_TABLES, OTHER_TABLES, LabelMap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.sources.contest_fields import RoleKeys

LOOKED_AT = 1000  # records, of which one must be an image with a URL
MAX_PASSED = 2_000_000  # annotations and the like that may stand before the images


@dataclass(frozen=True, slots=True)
class ContestImage:
    """One image of a split.

    urls: the same picture, best first; labels: its label ids; fields: what else its record has
    """

    number: int
    id: str
    urls: list[str]
    labels: list[str]
    fields: dict[str, Any]


def read_images(
    name: str, member: str, labels: LabelMap, base: str = ""
) -> Iterator[ContestImage | MalformedRow]:
    """Yield the images of a split with their labels, in the order of the file.

    base: the address that the names of files are below, for images without addresses
    """
    tables = labels.tables()
    with open_rows(name, member) as rows:
        for row in rows:
            if isinstance(row, MalformedRow):
                yield row
                continue
            if row.table in tables:
                image = _with_address(row, base)
                keys = role_keys(image.fields)
                if row.table in IMAGE_TABLES or is_image(image.fields, keys):
                    yield _image(image, keys, labels)


def check_contest(name: str, member: str = "", base: str = "") -> None:
    """Raise ArgumentError, with the first record, for a file without images that have URLs.

    base: as `read_images` has it
    """
    first: Row | MalformedRow | None = None
    with open_rows(name, member) as rows:
        own = (row for row in islice(rows, MAX_PASSED) if not _is_of_other_table(row))
        for row in islice(own, LOOKED_AT):
            if isinstance(row, Row):
                record = _with_address(row, base).fields
                keys = role_keys(record)
                if is_image(record, keys) and any(map(looks_like_url, urls_of(record, keys))):
                    return
            first = first or row
    shown = str(first) if isinstance(first, MalformedRow) else ""
    if isinstance(first, Row):
        shown = excerpt(json.dumps(first.fields, default=str))
    raise ArgumentError(
        f"{name} holds no images with an id and a URL, as the JSON of a contest does. "
        f"Its first record: {shown or 'none'}. Where it has names of files only, type "
        "-a base=https://HOST/FOLDER/"
    )


def read_label_map(name: str) -> dict[str, str]:
    """Return a label map, id -> name, from a CSV with columns such as labelId and labelName.

    Raises ArgumentError for a file without these.
    """
    names: dict[str, str] = {}
    with open_rows(name) as rows:
        for row in rows:
            if isinstance(row, Row):
                keys = role_keys(row.fields)
                number, title = (k and row.fields[k] for k in (keys.category, keys.name))
                if number is None or title is None:
                    have = ", ".join(row.fields)
                    raise ArgumentError(
                        f"{name} is no label map: it needs columns such as labelId and labelName, "
                        f"and has {have}."
                    )
                names[str(number).strip()] = str(title).strip()
    return names


def _image(row: Row, keys: RoleKeys, labels: LabelMap) -> ContestImage | MalformedRow:
    where, record = f"image {row.number}", row.fields
    image_id, urls = keys.id and record[keys.id], urls_of(record, keys)
    problem = "" if urls else f"no URL of image {image_id}"
    if image_id is None or isinstance(image_id, (list, dict)) or str(image_id) == "":
        problem = "no id"
    if problem:
        shown = excerpt(json.dumps(record, default=str))
        return MalformedRow(row.number, where, problem, shown)
    own = texts_of(keys.label and record[keys.label])
    fields = {name: value for name, value in record.items() if name not in keys.used}
    fields |= labels.outlines_of(str(image_id))
    return ContestImage(row.number, str(image_id), urls, own or labels.of(str(image_id)), fields)


def _with_address(row: Row, base: str) -> Row:
    """Return an image's row with the address of its file, if it has no other."""
    keys = role_keys(row.fields)
    name = keys.file_name and row.fields[keys.file_name]
    if not base or not isinstance(name, str) or urls_of(row.fields, keys):
        return row
    url = f"{base.rstrip('/')}/{quote(name.lstrip('/'))}"
    kept = {key: value for key, value in row.fields.items() if key not in keys.urls}
    return row._replace(fields=kept | {"url": url})


def _is_of_other_table(row: Row | MalformedRow) -> bool:
    return isinstance(row, Row) and row.table in OTHER_TABLES
