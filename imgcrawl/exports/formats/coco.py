"""COCO: annotations.json beside the pictures, with the boxes and masks that the source had.

Source: https://cocodataset.org/#format-data. Masks are run-length encoded, uncompressed: column by
column, beginning with the number of zeros.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from imgcrawl.dataset.outlines import BOX, LABEL_ID, Categories, outlines_of
from imgcrawl.exports.bodies import bodies_of
from imgcrawl.exports.formats.imagefolder import original
from imgcrawl.exports.shards import ExportFigures
from imgcrawl.exports.source import ALL, LeftOut
from imgcrawl.lists.json_records import read_json
from imgcrawl.lists.rows import Row
from imgcrawl.records.errors import StoreError
from imgcrawl.storage.directory import ANNOTATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from imgcrawl.exports.bodies import Bodies
    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.source import ExportRecord, ExportSource

NAME = "annotations.json"
BOXES = (BOX, "box")  # columns of sources: [x, y, width, height], pixels
_UNLABELLED = "object"  # the category of what has a box and no class


def export(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    progress: Callable[[int, int], object],
) -> ExportFigures:
    """Write the pictures to ``images/``, then annotations.json, a picture at a time."""
    figures = ExportFigures(files=[NAME])
    categories = Categories(_known(source, plan))
    annotations = encoded = 0
    with dest.writing(NAME) as file, dest.writing(f".{NAME}.parts") as parts:
        file.write('{"info": {"description": "made by imgcrawl"},\n"images": [')
        for record in source.records(LeftOut()):
            bodies = bodies_of(source, record, plan.request.size, plan.left_out)
            if bodies is None:
                continue
            name = f"{record.key}{bodies.picture.extension}"
            same = original(source, record) if plan.request.size is None else None
            dest.put(f"images/{name}", bodies.picture.data, same)
            image = _image(record, bodies, name, figures.records + 1)
            file.write(("," if figures.records else "") + "\n" + json.dumps(image))
            figures.add(record.split, len(bodies.picture.data))
            for annotation in _annotations(record, bodies, image, categories):
                annotations += 1
                encoded += annotation["iscrowd"] == 1 and "segmentation" not in annotation
                whole = {"id": annotations, "image_id": image["id"], **annotation}
                parts.write(json.dumps(whole) + "\n")
            progress(figures.records, figures.bytes)
        parts.flush()
        file.write('\n],\n"annotations": [')
        with open(parts.name, encoding="utf-8") as lines:  # noqa: PTH123 - its temporary name
            for number, line in enumerate(lines):
                file.write(("," if number else "") + "\n" + line.rstrip("\n"))
        table = categories.entries()
        file.write(f'\n],\n"categories": {json.dumps(table)}}}\n')
    (dest.root / f".{NAME}.parts").unlink()
    figures.notes.append(f"{annotations:,} boxes and masks, in {len(table):,} categories")
    if encoded:
        figures.notes.append(f"{encoded:,} run-length encodings were left out: they do not scale")
    return figures


def _known(source: ExportSource, plan: ExportPlan) -> dict[str, str]:
    """Return the categories by id: a contest's own, or else the classes of the records."""
    if LABEL_ID not in source.table.kinds:
        return {str(n): label for n, label in enumerate(plan.labels or [_UNLABELLED], 1)}
    try:
        with source.storage.open(ANNOTATIONS) as file:
            return {
                str(row.fields["id"]): str(row.fields["name"])
                for row in read_json(file)
                if isinstance(row, Row) and row.table == "categories"
            }
    except (OSError, StoreError, LookupError):
        return {}  # of an OUT whose run has not ended: the records name those that they have


def _image(record: ExportRecord, bodies: Bodies, name: str, number: int) -> dict[str, Any]:
    with Image.open(BytesIO(bodies.picture.data)) as opened:
        width, height = opened.size
    image: dict[str, Any] = {"id": number, "file_name": name, "width": width, "height": height}
    image["record_id"] = record.row["record_id"]
    if record.label:
        image["label"] = record.label
    if record.split != ALL:
        image["split"] = record.split
    return image


def _annotations(
    record: ExportRecord, bodies: Bodies, image: dict[str, Any], categories: Categories
) -> Iterator[dict[str, Any]]:
    """Yield the boxes and masks of a picture; none is made up where the source had none.

    Each has the category that the source gives it, or else the class of its record.
    """
    own = record.label or _UNLABELLED
    before = int(record.row.get("width") or image["width"])
    scale = image["width"] / before
    for column in BOXES:
        row = record.row if column == BOX else {BOX: record.row.get(column)}
        for outline in outlines_of(row):
            if outline.category:
                number = categories.number(outline.category, outline.label)
            else:
                number = categories.of_name(own)
            yield {"category_id": number} | outline.scaled(scale).fields()
    for mask in bodies.masks:
        with Image.open(BytesIO(mask.data)) as opened:
            pixels = np.asarray(opened.convert("L")) > 0  # height, width
        if not pixels.any():
            continue
        rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        yield {
            "category_id": categories.of_name(own),
            "bbox": [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1],
            "area": int(pixels.sum()),
            "iscrowd": 1,  # of a run-length encoded mask, as the format has it
            "segmentation": {"size": [*pixels.shape], "counts": _runs(pixels)},
        }


def _runs(pixels: npt.NDArray[np.bool_]) -> list[int]:
    """Return the lengths of the runs of zeros and ones, in turn, column by column."""
    flat = pixels.flatten(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts: list[int] = np.diff(edges).tolist()
    return counts if not flat[0] else [0, *counts]
