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

from imgcrawl.exports.bodies import bodies_of
from imgcrawl.exports.formats.imagefolder import original
from imgcrawl.exports.shards import ExportFigures
from imgcrawl.exports.source import ALL, LeftOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from imgcrawl.exports.bodies import Bodies
    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.source import ExportRecord, ExportSource

NAME = "annotations.json"
BOXES = ("bbox", "box")  # columns of sources: [x, y, width, height], pixels
_UNLABELLED = "object"  # the category of what has a box and no class


def export(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    progress: Callable[[int, int], object],
) -> ExportFigures:
    """Write the pictures to ``images/``, then annotations.json, a picture at a time."""
    figures = ExportFigures(files=[NAME])
    labels = {label: n for n, label in enumerate(plan.labels or [_UNLABELLED], 1)}
    annotations = 0
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
            figures.records += 1
            figures.bytes += len(bodies.picture.data)
            for annotation in _annotations(record, bodies, image, labels):
                annotations += 1
                whole = {"id": annotations, "image_id": image["id"], **annotation}
                parts.write(json.dumps(whole) + "\n")
            progress(figures.records, figures.bytes)
        parts.flush()
        file.write('\n],\n"annotations": [')
        with open(parts.name, encoding="utf-8") as lines:  # noqa: PTH123 - its temporary name
            for number, line in enumerate(lines):
                file.write(("," if number else "") + "\n" + line.rstrip("\n"))
        categories = [{"id": n, "name": label} for label, n in labels.items()]
        file.write(f'\n],\n"categories": {json.dumps(categories)}}}\n')
    (dest.root / f".{NAME}.parts").unlink()
    figures.notes.append(f"{annotations:,} boxes and masks, in {len(labels):,} categories")
    return figures


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
    record: ExportRecord, bodies: Bodies, image: dict[str, Any], labels: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """Yield the boxes and masks of a picture; none is made up where the source had none."""
    category = labels.get(record.label) or next(iter(labels.values()))
    before = int(record.row.get("width") or image["width"])
    scale = image["width"] / before
    for column in BOXES:
        for box in _boxes(record.row.get(column)):
            x, y, width, height = (value * scale for value in box)
            yield {
                "category_id": category,
                "bbox": [x, y, width, height],
                "area": width * height,
                "iscrowd": 0,
            }
    for mask in bodies.masks:
        with Image.open(BytesIO(mask.data)) as opened:
            pixels = np.asarray(opened.convert("L")) > 0  # height, width
        if not pixels.any():
            continue
        rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        yield {
            "category_id": category,
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


def _boxes(value: Any) -> Iterator[list[float]]:
    """Yield the boxes of a cell: [x, y, width, height], or a list of those."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
        boxes = [found] if found and not isinstance(found[0], list) else found or []
        for box in boxes:
            numbers = [float(number) for number in box]
            if len(numbers) == 4 and np.isfinite(numbers).all():
                yield numbers
    except (LookupError, TypeError, ValueError):
        return
