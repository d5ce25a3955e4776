"""annotations.json: COCO's, of the images that a contest promised and that are there.

What a trainer reads beside the pictures: ``CocoDetection(OUT, OUT/annotations.json)``. Images keep
the ids of their source where these are numbers and each is that of one image.
Source of the format: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
import logging
import sqlite3
import tempfile
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.dataset.dataset_table import LedgerTable
from imgcrawl.dataset.outlines import BOX, CATEGORIES, OUTLINE, Categories, outlines_of
from imgcrawl.storage.directory import ANNOTATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)


def write_annotations(out: OutputDirectory, ledger: Ledger) -> None:
    """Write annotations.json anew from the ledger, if the records have boxes or segmentations."""
    if not {BOX, OUTLINE} & {*ledger.columns()}:
        out.discard(ANNOTATIONS)
        return
    known = json.loads(ledger.bookmarks().get(CATEGORIES, "{}"))
    out.write(ANNOTATIONS, lambda file: _write(file, ledger, known))


def _write(file: IO[str], ledger: Ledger, known: dict[str, str]) -> None:
    """Write the whole file in two passes over the ledger, in constant memory."""
    categories, resized, number = Categories(known), 0, 0
    keep_ids = _are_numbers(_source_ids(ledger))
    file.write('{"images": [')
    with tempfile.TemporaryFile("w+", encoding="utf-8") as parts:
        for count, row in enumerate(LedgerTable(ledger).rows()):
            image = _image(row, int(row["image_id"]) if keep_ids else count + 1)
            resized += "annotated_size" in image
            file.write(("," if count else "") + "\n" + json.dumps(image))
            for outline in outlines_of(row):
                category = categories.number(outline.category, outline.label or "object")
                ids = {"id": number + 1, "image_id": image["id"], "category_id": category}
                parts.write(("," if number else "") + "\n" + json.dumps(ids | outline.fields()))
                number += 1
        file.write('\n],\n"annotations": [')
        parts.seek(0)
        for line in parts:
            file.write(line)
    file.write(f'\n],\n"categories": {json.dumps(categories.entries())}}}\n')
    if resized:
        logger.warning(
            "%s pictures have another size than that on which their boxes were drawn: it is "
            "annotated_size in %s",
            f"{resized:,}",
            ANNOTATIONS,
        )


def _image(row: dict[str, Any], number: int) -> dict[str, Any]:
    image = {"id": number, "file_name": row["file_name"]}
    image |= {"width": row["width"], "height": row["height"], "record_id": row["record_id"]}
    image |= {name: row[name] for name in ("image_id", "split", "license") if row.get(name)}
    drawn_on = [row.get("width_"), row.get("height_")]  # the source's own columns
    if all(drawn_on) and [*map(str, drawn_on)] != [str(row["width"]), str(row["height"])]:
        image["annotated_size"] = drawn_on
    return image


def _source_ids(ledger: Ledger) -> Iterator[Any]:
    return (row.get("image_id") for row in LedgerTable(ledger).rows())


def _are_numbers(ids: Iterator[Any]) -> bool:
    """Return whether all ids are whole numbers, and no two are the same; in a temporary file."""
    seen = sqlite3.connect("", isolation_level=None)
    try:
        seen.execute("CREATE TABLE ids (id INTEGER PRIMARY KEY)")
        seen.execute("BEGIN")
        for each in ids:
            text = str(each)
            if not (text.isascii() and text.isdecimal() and len(text) < 19):
                return False
            seen.execute("INSERT INTO ids VALUES (?)", (int(text),))
    except sqlite3.IntegrityError:
        return False
    finally:
        seen.close()
    return True
