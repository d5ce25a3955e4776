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
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.dataset.dataset_table import CsvTable, LedgerTable
from imgcrawl.dataset.outlines import BOX, CATEGORIES, OUTLINE, Categories, outlines_of
from imgcrawl.dataset.written_whole import written_whole
from imgcrawl.storage.directory import ANNOTATIONS, METADATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from imgcrawl.dataset.dataset_table import DatasetTable
    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)

_BEFORE_CATEGORIES = '\n"categories": '
_LONGEST_LINE = 8 << 20  # bytes


def write_annotations(out: OutputDirectory, ledger: Ledger) -> None:
    """Write annotations.json anew from the ledger, if the records have boxes or segmentations."""
    table = LedgerTable(ledger)
    if not {BOX, OUTLINE} & {*table.columns}:
        out.discard(ANNOTATIONS)
        return
    known = json.loads(ledger.bookmarks().get(CATEGORIES, "{}"))
    out.write(ANNOTATIONS, lambda file: _write(file, table, known))


def merge_annotations(parts: Iterable[Path], target: Path) -> None:
    """Write the annotations.json of merged OUTs, such as shards, beside their merged table.

    parts:  the OUTs, all of one dataset: a category has the same id in each
    target: the folder of that table. Raises OSError.
    """
    table = CsvTable(target / METADATA)
    if not {BOX, OUTLINE} & {*table.columns}:
        (target / ANNOTATIONS).unlink(missing_ok=True)
        return
    known: dict[str, str] = {}
    for part in parts:
        known |= _categories_of(part / ANNOTATIONS)
    with written_whole(target / ANNOTATIONS) as file:
        _write(file, table, known)


def _categories_of(path: Path) -> dict[str, str]:
    """Return the names of categories by id, of the last line of a file that `_write` wrote."""
    with suppress(OSError, ValueError, TypeError, LookupError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_LINE))
        _, _, line = file.read().rpartition(_BEFORE_CATEGORIES.encode())
        entries = json.loads(line.decode().rstrip().removesuffix("}"))
        return {str(each["id"]): str(each["name"]) for each in entries}
    return {}


def _write(file: IO[str], table: DatasetTable, known: dict[str, str]) -> None:
    """Write the whole file in two passes over the table, in constant memory."""
    categories, resized, number = Categories(known), 0, 0
    keep_ids = _are_numbers(row.get("image_id") for row in table.rows())
    file.write('{"images": [')
    with tempfile.TemporaryFile("w+", encoding="utf-8") as parts:
        for count, row in enumerate(table.rows()):
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
    file.write(f"\n],{_BEFORE_CATEGORIES}{json.dumps(categories.entries())}}}\n")
    if resized:
        logger.warning(
            "%s pictures have another size than that on which their boxes were drawn: it is "
            "annotated_size in %s",
            f"{resized:,}",
            ANNOTATIONS,
        )


def _image(row: dict[str, Any], number: int) -> dict[str, Any]:
    image = {"id": number, "file_name": row["file_name"]}
    image |= {name: _whole(row.get(name)) for name in ("width", "height")}
    image["record_id"] = row["record_id"]
    image |= {n: _number(row[n]) for n in ("image_id", "split", "license") if row.get(n)}
    drawn_on = [row.get("width_"), row.get("height_")]  # the source's own columns
    if all(drawn_on) and [*map(str, drawn_on)] != [str(row["width"]), str(row["height"])]:
        image["annotated_size"] = drawn_on
    return image


def _whole(value: Any) -> int | None:
    """Return a number of pixels, of a ledger or of a cell."""
    return int(value) if value not in {None, ""} else None


def _number(value: Any) -> Any:
    """Return the number that a cell has the digits of; anything else as it is."""
    is_one = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19
    return int(value) if is_one and str(int(value)) == value else value


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
