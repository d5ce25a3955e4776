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
import re
import sqlite3
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imgcrawl.lists.addresses import looks_like_url
from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.rows import MalformedRow, Row, excerpt
from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKED_AT = 1000  # records, of which one must be an image with a URL
MAX_PASSED = 2_000_000  # annotations and the like that may stand before the images

_IDS = ("imageid", "id")
_URLS = ("url", "urls", "imageurl", "cocourl", "flickrurl", "originalurl")
_LABELS = ("labelid", "categoryid", "classid", "class", "label", "category")
_NAMES = ("name", "labelname", "label")

# What is kept of an annotation that has a box or a segmentation, under COCO's names.
_OF_OUTLINES = ("bbox", "segmentation", "area", "iscrowd", "keypoints", "num_keypoints")
_OUTLINED = {"bbox", "segmentation", "caption"}
_NO: tuple[Any, ...] = (None, [], {}, "")

_IMAGE_TABLES = frozenset({"images", "image", "data"})
_OTHER_TABLES = frozenset({"licenses", "licences", "info", "categories", "annotations"})


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


class LabelMap:
    """The labels of a split by image, and the names of labels; in a temporary file of SQLite's."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.executescript(
            "CREATE TABLE labels (image TEXT, label TEXT);"
            "CREATE TABLE outlines (image TEXT, label TEXT, annotation TEXT);"
            "CREATE TABLE captions (image TEXT, caption TEXT);"
            "CREATE TABLE names (last TEXT, tab TEXT, n INTEGER, PRIMARY KEY (last, tab))"
            " WITHOUT ROWID;"
        )
        self.names: dict[str, str] = {}
        self._records: Counter[str] = Counter()  # that may be images, by table
        self._malformed = 0
        self._outlined = False  # whether there are boxes, segmentations or captions

    @property
    def images(self) -> int:
        """How many records the split promises, those that cannot be read among them."""
        return self._malformed + sum(self._records[table] for table in self.tables())

    def tables(self) -> set[str]:
        """Return the tables that hold the images.

        COCO's licences have an id and a URL as well: a table that is named for images is the only
        one, if there is one.
        """
        named = _IMAGE_TABLES & self._records.keys()
        return {*named} or {*self._records} - _OTHER_TABLES

    def of(self, image_id: str) -> list[str]:
        """Return the label ids of an image, in the order of their annotations, each once."""
        rows = self._db.execute(
            "SELECT label FROM labels WHERE image = ? ORDER BY rowid", (image_id,)
        )
        return list(dict.fromkeys(label for (label,) in rows))

    def outlines_of(self, image_id: str) -> dict[str, list[Any]]:
        """Return the boxes ([x, y, width, height], pixels), segmentations and so on of an image.

        Those of one annotation, and its label, are at one place of each list; empty without any.
        Captions are a list of their own.
        """
        if not self._outlined:
            return {}
        query = "SELECT caption FROM captions WHERE image = ? ORDER BY rowid"
        captions = [caption for (caption,) in self._db.execute(query, (image_id,))]
        query = "SELECT label, annotation FROM outlines WHERE image = ? ORDER BY rowid"
        rows = self._db.execute(query, (image_id,)).fetchall()
        found: dict[str, list[Any]] = {"captions": captions} if captions else {}
        if not rows:
            return found
        annotations = [json.loads(annotation) for _, annotation in rows]
        found["bbox"] = [each.get("bbox") for each in annotations]
        found["bbox_label_id"] = [label for label, _ in rows]
        for name in _OF_OUTLINES[1:]:
            values = [each.get(name) for each in annotations]
            if any(value is not None for value in values):
                found[name] = values
        return found

    def is_shared(self, last_part: str) -> bool:
        """Return True if several images of the split have this last part in their URLs."""
        rows = self._db.execute("SELECT tab, n FROM names WHERE last = ?", (last_part,))
        tables = self.tables()
        return sum(int(n) for table, n in rows if table in tables) > 1

    @classmethod
    def read(cls, name: str, member: str = "", *, last_parts: bool = False) -> LabelMap:
        """Read all annotations of a split, and count its images.

        last_parts: the last parts of the URLs too, for `is_shared`
        """
        labels = cls()
        db = labels._db
        db.execute("BEGIN")
        with open_rows(name, member) as rows:
            for row in rows:
                if isinstance(row, MalformedRow):
                    labels._malformed += 1  # promised, and said to be unreadable
                    continue
                bare = _bare_keys(row.fields)
                if (is_image := _is_image(bare)) or row.table in _IMAGE_TABLES:
                    labels._records[row.table] += 1
                if row.table == "categories":
                    labels.names[str(_first(bare, ("id", *_LABELS)))] = str(_first(bare, _NAMES))
                elif is_image:
                    if last_parts and (urls := _urls(bare)):
                        db.execute(
                            "INSERT INTO names VALUES (?, ?, 1)"
                            " ON CONFLICT DO UPDATE SET n = n + 1",
                            (last_part(urls[0]).casefold(), row.table),
                        )
                elif (image := _first(bare, _IDS[:1])) is not None:
                    labels._annotate(str(image), row.fields, bare)
        db.execute("COMMIT")
        db.execute("CREATE INDEX labels_image ON labels (image)")
        db.execute("CREATE INDEX outlines_image ON outlines (image)")
        db.execute("CREATE INDEX captions_image ON captions (image)")
        return labels

    def _annotate(
        self, image_id: str, annotation: dict[str, Any], bare: dict[str, tuple[str, Any]]
    ) -> None:
        """Keep the labels and outlines of an annotation; a panoptic one has several segments."""
        for label in _flat(_first(bare, _LABELS)):
            self._db.execute("INSERT INTO labels VALUES (?, ?)", (image_id, label))
        self._outline(image_id, annotation)
        segments = annotation.get("segments_info")
        for each in segments if isinstance(segments, list) else ():
            if isinstance(each, dict):
                self._annotate(image_id, each, _bare_keys(each))

    def _outline(self, image_id: str, annotation: dict[str, Any]) -> None:
        """Keep the box, the segmentation and the caption of an annotation of COCO's."""
        if annotation.keys().isdisjoint(_OUTLINED):
            return
        kept = {name: annotation[name] for name in _OF_OUTLINES if annotation.get(name) not in _NO}
        if any(isinstance(kept.get(name), (list, dict)) for name in ("bbox", "segmentation")):
            label = annotation.get("category_id")
            row = (image_id, "" if label is None else str(label), json.dumps(kept))
            self._db.execute("INSERT INTO outlines VALUES (?, ?, ?)", row)
            self._outlined = True
        if isinstance(caption := annotation.get("caption"), str):
            self._db.execute("INSERT INTO captions VALUES (?, ?)", (image_id, caption))
            self._outlined = True


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
            bare = _with_address(_bare_keys(row.fields), base)
            if row.table in tables and (row.table in _IMAGE_TABLES or _is_image(bare)):
                yield _image(row, bare, labels)


def check_contest(name: str, member: str = "", base: str = "") -> None:
    """Raise ArgumentError, with the first record, for a file without images that have URLs.

    base: as `read_images` has it
    """
    first: Row | MalformedRow | None = None
    with open_rows(name, member) as rows:
        own = (row for row in islice(rows, MAX_PASSED) if not _is_of_other_table(row))
        for row in islice(own, LOOKED_AT):
            if isinstance(row, Row):
                bare = _with_address(_bare_keys(row.fields), base)
                if _is_image(bare) and any(map(looks_like_url, _urls(bare))):
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
                bare = _bare_keys(row.fields)
                number, title = _first(bare, ("id", *_LABELS)), _first(bare, _NAMES)
                if number is None or title is None:
                    have = ", ".join(row.fields)
                    raise ArgumentError(
                        f"{name} is no label map: it needs columns such as labelId and labelName, "
                        f"and has {have}."
                    )
                names[str(number).strip()] = str(title).strip()
    return names


def last_part(url: str) -> str:
    """Return the last part of a URL's path, as the scripts of the contests name their files."""
    return re.split(r"[?#]", url)[0].rstrip("/").rpartition("/")[2] or "index"


def _image(
    row: Row, bare: dict[str, tuple[str, Any]], labels: LabelMap
) -> ContestImage | MalformedRow:
    where = f"image {row.number}"
    image_id, urls = _first(bare, _IDS), _urls(bare)
    problem = "" if urls else f"no URL of image {image_id}"
    if image_id is None or isinstance(image_id, (list, dict)) or str(image_id) == "":
        problem = "no id"
    if problem:
        shown = excerpt(json.dumps(row.fields, default=str))
        return MalformedRow(row.number, where, problem, shown)
    own = _flat(_first(bare, _LABELS))
    used = {name for key in (*_IDS[:1], *_URLS, *_LABELS) if key in bare for name in [bare[key][0]]}
    fields = {name: value for name, value in row.fields.items() if name not in used}
    fields |= labels.outlines_of(str(image_id))
    return ContestImage(row.number, str(image_id), urls, own or labels.of(str(image_id)), fields)


def _with_address(bare: dict[str, tuple[str, Any]], base: str) -> dict[str, tuple[str, Any]]:
    """Return the fields of an image with the address of its file, if it has no other."""
    name = _first(bare, ("filename",))
    if not base or not isinstance(name, str) or _urls(bare):
        return bare
    return bare | {"url": ("url", f"{base.rstrip('/')}/{quote(name.lstrip('/'))}")}


def _is_of_other_table(row: Row | MalformedRow) -> bool:
    return isinstance(row, Row) and row.table in _OTHER_TABLES


def _is_image(bare: dict[str, tuple[str, Any]]) -> bool:
    return _first(bare, _IDS) is not None and bool(_urls(bare))


def _urls(bare: dict[str, tuple[str, Any]]) -> list[str]:
    found = [url for key in _URLS if key in bare for url in _flat(bare[key][1])]
    return list(dict.fromkeys(url.strip() for url in found if url.strip()))


def _flat(value: Any) -> list[str]:
    if value is None or isinstance(value, dict):
        return []
    values = value if isinstance(value, list) else [value]
    return [str(each) for each in values if not isinstance(each, (dict, list)) and each is not None]


def _first(bare: dict[str, tuple[str, Any]], keys: tuple[str, ...]) -> Any:
    return next((bare[key][1] for key in keys if key in bare), None)


def _bare_keys(fields: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return fields, with their names, by their names without case and underscores."""
    return {_bare(key): (key, value) for key, value in fields.items()}


@lru_cache(maxsize=1024)
def _bare(key: str) -> str:
    return key.replace("_", "").lower()
