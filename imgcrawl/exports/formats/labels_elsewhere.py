"""Files that annotation tools import: Label Studio, CVAT, FiftyOne. The pictures lie beside them.

Sources: labelstud.io/guide/tasks (JSON tasks, local files), docs.cvat.ai ("CVAT for images" 1.1),
docs.voxel51.com (FiftyOneImageClassificationDataset).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from imgcrawl.exports.bodies import bodies_of
from imgcrawl.exports.formats.imagefolder import original
from imgcrawl.exports.shards import ExportFigures
from imgcrawl.exports.source import LeftOut
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.source import ExportRecord, ExportSource

    Progress = Callable[[int, int], object]


def _pictures(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    figures: ExportFigures,
    folder: str,
) -> Iterator[tuple[ExportRecord, str]]:
    """Put each picture into a folder, and yield its record and its name there."""
    for record in source.records(LeftOut()):
        bodies = bodies_of(source, record, plan.request.size, plan.left_out)
        if bodies is not None:
            name = f"{record.key}{bodies.picture.extension}"
            same = original(source, record) if plan.request.size is None else None
            dest.put(f"{folder}/{name}", bodies.picture.data, same)
            figures.add(record.split, len(bodies.picture.data))
            yield record, name


def export_labelstudio(
    source: ExportSource, plan: ExportPlan, dest: Destination, progress: Progress
) -> ExportFigures:
    """Write tasks.json: the pictures as local files below the folder of the export."""
    figures = ExportFigures(files=["tasks.json"])
    with dest.writing("tasks.json") as file:
        file.write("[")
        for record, name in _pictures(source, plan, dest, figures, "images"):
            place = quote(f"{dest.root.name}/images/{name}")
            meta = {
                column: safe_cell(value)
                for column, value in record.row.items()
                if value is not None
            }
            task: dict[str, Any] = {
                "data": {"image": f"/data/local-files/?d={place}"},
                "meta": meta,
            }
            task["data"]["record_id"] = record.row["record_id"]
            if record.label:
                choice = {
                    "from_name": "label",
                    "to_name": "image",
                    "type": "choices",
                    "value": {"choices": [record.label]},
                }
                task["predictions"] = [{"model_version": "source", "result": [choice]}]
            text = json.dumps(task, ensure_ascii=False)
            file.write(("," if figures.records > 1 else "") + "\n" + text)
            progress(figures.records, figures.bytes)
        file.write("\n]\n")
    root = dest.root.parent
    figures.notes.append(
        f"Start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
        f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}"
    )
    return figures


def export_cvat(
    source: ExportSource, plan: ExportPlan, dest: Destination, progress: Progress
) -> ExportFigures:
    """Write annotations.xml: each picture with its class as a tag, the labels of a task on top."""
    figures = ExportFigures(files=["annotations.xml"])
    with dest.writing("annotations.xml") as file:
        file.write(
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
            f"<meta><task><size>{plan.records}</size><mode>annotation</mode><labels>"
        )
        for label in plan.labels:
            name = escape(_xml_text(label))
            file.write(f"<label><name>{name}</name><type>tag</type><attributes/></label>")
        file.write("</labels></task></meta>\n")
        for number, (record, name) in enumerate(_pictures(source, plan, dest, figures, "images")):
            width, height = record.row.get("width") or 0, record.row.get("height") or 0
            size = f'width="{width}" height="{height}"'
            file.write(f'<image id="{number}" name={quoteattr(name)} {size}>')
            if record.label:
                file.write(f'<tag label={quoteattr(_xml_text(record.label))} source="file"></tag>')
            file.write("</image>\n")
            progress(figures.records, figures.bytes)
        file.write("</annotations>\n")
    return figures


def _xml_text(label: str) -> str:
    """Return a label without what no XML can hold: a safe cell has no other such characters."""
    return re.sub("[\ufffe\uffff]", "\ufffd", label)


def export_fiftyone(
    source: ExportSource, plan: ExportPlan, dest: Destination, progress: Progress
) -> ExportFigures:
    """Write labels.json: a FiftyOneImageClassificationDataset."""
    figures = ExportFigures(files=["labels.json"])
    numbers = {label: n for n, label in enumerate(plan.labels)}
    with dest.writing("labels.json") as file:
        file.write(f'{{"classes": {json.dumps(plan.labels)},\n"labels": {{')
        for record, name in _pictures(source, plan, dest, figures, "data"):
            pair = f"{json.dumps(name.rpartition('.')[0])}: {json.dumps(numbers.get(record.label))}"
            file.write(("," if figures.records > 1 else "") + "\n" + pair)
            progress(figures.records, figures.bytes)
        file.write("\n}}\n")
    return figures
