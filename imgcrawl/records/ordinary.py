"""The items of ordinary Scrapy spiders: a record for each address in their fields.

The fields are those of Scrapy's media pipelines: ``image_urls`` and ``file_urls``, or what
IMAGES_URLS_FIELD and FILES_URLS_FIELD name. What came of them stands in ``images`` and ``files``
(IMAGES_RESULT_FIELD, FILES_RESULT_FIELD) as Scrapy has it: ``url``, ``path``, ``checksum`` (MD5
there, SHA-256 here), ``status``.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from itemadapter import ItemAdapter

from imgcrawl.records.items import FileItem, ImageItem, Item, Stored
from imgcrawl.text.signed_urls import address_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imgcrawl.records.items import Metadata, Result

_MAX_NAME = 80  # characters of a file's own name


@dataclass(slots=True, eq=False)
class OrdinaryItem:
    """An item that a spider yielded, and its records.

    source: what Scrapy has the item from: a response, or None
    open:   how many of its records have not ended yet
    """

    item: Any
    source: Any
    records: list[Item]
    open: int = 0

    def fill_in(
        self, settings: Mapping[str, Any], result_of: Callable[[Item], Result | None]
    ) -> None:
        """Write what became of the records into the item's fields, where it can have them."""
        adapter = ItemAdapter(self.item)
        for kind, prefix in ((ImageItem, "IMAGES"), (FileItem, "FILES")):
            asked, name = _fields(prefix, settings)
            if asked not in adapter:
                continue
            records = [record for record in self.records if type(record) is kind]
            results = [(record.urls[0], result_of(record)) for record in records]
            # An item of a class that has no such field goes on without it.
            with suppress(KeyError, AttributeError):
                adapter[name] = [as_scrapy(u, r) for u, r in results if isinstance(r, Stored)]


def records_of(item: Any, settings: Mapping[str, Any]) -> list[Item]:
    """Return a record for each address of an item, whose other fields are its columns.

    An address that stands there twice is one record. Raises TypeError for what is no item.
    """
    if not ItemAdapter.is_item(item):
        raise TypeError(f"a spider yields requests, items and dicts, not {type(item).__name__}")
    fields = ItemAdapter(item).asdict()
    urls: list[Any] = []
    for prefix in ("IMAGES", "FILES"):
        asked, result = _fields(prefix, settings)
        urls.append(fields.pop(asked, None))
        fields.pop(result, None)
    image_urls, file_urls = urls
    columns = {str(name): _as_json(value) for name, value in fields.items()}
    found: dict[str, Item] = {}
    for url in _addresses(image_urls):
        found.setdefault(url, _image(url, dict(columns)))
    for url in _addresses(file_urls):
        found.setdefault(url, _file(url, dict(columns)))
    return list(found.values())


def _fields(prefix: str, settings: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names of the field of the addresses, and of that of what came of them."""
    asked = settings[f"{prefix}_URLS_FIELD"] or f"{prefix[:-1].lower()}_urls"
    return asked, settings[f"{prefix}_RESULT_FIELD"] or prefix.lower()


def _addresses(value: Any) -> Iterable[str]:
    values = value if isinstance(value, list | tuple | set) else [value]
    return [text for each in values if each is not None and (text := str(each).strip())]


def _image(url: str, columns: Metadata) -> ImageItem:
    record_id = address_id(url)
    digest = _digest(record_id)
    return ImageItem(record_id, [url], f"images/{digest[:2]}/{digest[:20]}", columns)


def _file(url: str, columns: Metadata) -> FileItem:
    record_id = address_id(url)
    try:
        name = PurePosixPath(unquote(urlsplit(url).path)).name[-_MAX_NAME:]
    except ValueError:
        name = ""
    return FileItem(record_id, [url], f"files/{_digest(record_id)[:12]}/{name or 'file'}", columns)


def _digest(record_id: str) -> str:
    return hashlib.sha256(record_id.encode("utf-8", "surrogatepass")).hexdigest()


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def as_scrapy(url: str, stored: Stored) -> dict[str, Any]:
    """Return what Scrapy's media pipelines tell of a stored file."""
    path, checksum = stored.file_name, stored.sha256
    return {"url": url, "path": path, "checksum": checksum, "status": "downloaded"}
