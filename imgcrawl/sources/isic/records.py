"""Records of the ISIC Archive's API, as they stand in its answers."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from imgcrawl.records.items import Document, Expects, ImageItem, Missing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcrawl.records.items import Metadata

KINDS = {"full": "full", "thumbnail": "thumbnail_256"}  # the argument images: the API's word


def flatten(record: dict[str, Any]) -> Metadata:
    """Return one level of columns: an image's own fields, and those of each metadata section."""
    flat = {k: v for k, v in record.items() if k not in {"files", "metadata"}}
    sections = record.get("metadata")
    for section, fields in sections.items() if isinstance(sections, dict) else ():
        for name, value in fields.items() if isinstance(fields, dict) else ((section, fields),):
            flat[f"{section}_{name}" if name in flat else name] = value
    return flat


def file_of(record: dict[str, Any], images: str) -> dict[str, Any]:
    """Return the url and size of a record's picture; empty for images=none, or if it is odd."""
    files = record.get("files")
    file = files.get(KINDS.get(images, "")) if isinstance(files, dict) else None
    return file if isinstance(file, dict) else {}


def record_id_of(isic_id: object, images: str) -> str:
    """Return the id of the record that a picture of an image is: its thumbnail is another."""
    return f"{isic_id or ''}/thumbnail" if images == "thumbnail" else str(isic_id or "")


def image_item(record: dict[str, Any], metadata: Metadata, images: str, path: str) -> ImageItem:
    """Return the image of a record.

    metadata: the record, flattened
    path:     below OUT, without extension
    """
    record_id = record_id_of(metadata.get("isic_id"), images)
    item = ImageItem(record_id, urls_of(record, images), path, metadata)
    if images != "none" and not item.urls:
        item.result = Missing(Outcome.BAD_URL, "the archive gives no address for this image")
    return item


def description_of(record: dict[str, Any], path: str) -> Document:
    """Return a record as a document of its own, below OUT."""
    return Document(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def urls_of(record: dict[str, Any], images: str) -> list[str]:
    """Return the addresses of a record's picture: one, or none."""
    url = file_of(record, images).get("url")
    return [url] if isinstance(url, str) and url else []


def expects_of_ids(
    seen: Sequence[dict[str, Any]], images: str, records: int, asked: int
) -> Expects:
    """Return the promise of a list of ids, by the records of the first `asked` of them.

    The API's sizes are some 3 kB an image too small, which is near enough.
    """
    sizes = [size for r in seen if isinstance(size := file_of(r, images).get("size"), int)]
    licenses = Counter(str(r.get("copyright_license") or "unknown") for r in seen)
    counts = ", ".join(f"{name} {count:,}" for name, count in licenses.most_common())
    where = "" if asked == records else f" of the first {asked}"
    size = sum(sizes) * records // asked if sizes else None
    return Expects(records, size, f"Licences{where}: {counts}" if seen else "")
