"""LabelMap: the labels and outlines of a contest's split, joined to its images."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Any

from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.rows import MalformedRow
from imgcrawl.sources.contest_fields import is_image, role_keys, texts_of, urls_of

if TYPE_CHECKING:
    from imgcrawl.lists.rows import Row
    from imgcrawl.sources.contest_fields import RoleKeys

BATCH = 1000  # labels that are written at once

# What is kept of an annotation that has a box or a segmentation, under COCO's names.
_OF_OUTLINES = ("bbox", "segmentation", "area", "iscrowd", "keypoints", "num_keypoints")
_OUTLINED = {"bbox", "segmentation", "caption"}
_NO: tuple[Any, ...] = (None, [], {}, "")

IMAGE_TABLES = frozenset({"images", "image", "data"})
OTHER_TABLES = frozenset({"licenses", "licences", "info", "categories", "annotations"})


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
        self._new: list[tuple[str, str]] = []  # labels that are still to be written
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
        named = IMAGE_TABLES & self._records.keys()
        return {*named} or {*self._records} - OTHER_TABLES

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
                else:
                    labels._take(row, last_parts=last_parts)
        labels._write_labels()
        db.execute("COMMIT")
        db.execute("CREATE INDEX labels_image ON labels (image)")
        db.execute("CREATE INDEX outlines_image ON outlines (image)")
        db.execute("CREATE INDEX captions_image ON captions (image)")
        return labels

    def _take(self, row: Row, *, last_parts: bool) -> None:
        """Keep what a row says of labels, and count it if it is an image."""
        record, keys = row.fields, role_keys(row.fields)
        if (is_of_image := is_image(record, keys)) or row.table in IMAGE_TABLES:
            self._records[row.table] += 1
        if row.table == "categories":
            label, name = (key and record[key] for key in (keys.category, keys.name))
            self.names[str(label)] = str(name)
        elif is_of_image:
            if last_parts and (urls := urls_of(record, keys)):
                self._db.execute(
                    "INSERT INTO names VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1",
                    (last_part(urls[0]).casefold(), row.table),
                )
        elif keys.image is not None and (image := record[keys.image]) is not None:
            self._annotate(str(image), record, keys)

    def _annotate(self, image_id: str, annotation: dict[str, Any], keys: RoleKeys) -> None:
        """Keep the labels and outlines of an annotation; a panoptic one has several segments."""
        if keys.label is not None:
            self._new += [(image_id, label) for label in texts_of(annotation[keys.label])]
            if len(self._new) >= BATCH:
                self._write_labels()
        if not keys.outlined:
            return
        self._outline(image_id, annotation)
        segments = annotation.get("segments_info")
        for each in segments if isinstance(segments, list) else ():
            if isinstance(each, dict):
                self._annotate(image_id, each, role_keys(each))

    def _write_labels(self) -> None:
        self._db.executemany("INSERT INTO labels VALUES (?, ?)", self._new)
        self._new.clear()

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


def last_part(url: str) -> str:
    """Return the last part of a URL's path, as the scripts of the contests name their files."""
    return re.split(r"[?#]", url)[0].rstrip("/").rpartition("/")[2] or "index"
