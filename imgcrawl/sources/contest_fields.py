"""The keys of a contest's records: which has the id, the addresses, the label, in any edition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Likeliest first; case and underscores are ignored.
_IDS = ("imageid", "id")
_URLS = ("url", "urls", "imageurl", "cocourl", "flickrurl", "originalurl")
_LABELS = ("labelid", "categoryid", "classid", "class", "label", "category")
_NAMES = ("name", "labelname", "label")


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """The keys of a record by role; None for a role that no key has.

    id:        of an image
    image:     by which an annotation names its image
    urls:      with addresses of the same picture, best first
    category:  of a label in a table of labels, and `name` its name
    file_name: of an image without addresses
    used:      those that are said in other words in the columns of a record
    outlined:  whether there may be boxes, segmentations or captions
    """

    id: str | None
    image: str | None
    urls: tuple[str, ...]
    label: str | None
    category: str | None
    name: str | None
    file_name: str | None
    used: frozenset[str]
    outlined: bool


_OUTLINED = frozenset({"bbox", "segmentation", "caption", "segments_info"})


def role_keys(record: Mapping[str, Any]) -> RoleKeys:
    """Return which keys of a record have what. Records of one table are alike: it is looked up."""
    return _role_keys(tuple(record))


@lru_cache(maxsize=1024)
def _role_keys(keys: tuple[str, ...]) -> RoleKeys:
    bare = {key.replace("_", "").lower(): key for key in keys}

    def first(names: tuple[str, ...]) -> str | None:
        return next((bare[name] for name in names if name in bare), None)

    return RoleKeys(
        id=first(_IDS),
        image=first(_IDS[:1]),
        urls=tuple(bare[name] for name in _URLS if name in bare),
        label=first(_LABELS),
        category=first(("id", *_LABELS)),
        name=first(_NAMES),
        file_name=first(("filename",)),
        used=frozenset(bare[key] for key in (*_IDS[:1], *_URLS, *_LABELS) if key in bare),
        outlined=not _OUTLINED.isdisjoint(keys),
    )


def is_image(record: Mapping[str, Any], keys: RoleKeys) -> bool:
    """Return whether a record has the id and the address of a picture."""
    if keys.id is None or record[keys.id] is None:
        return False
    for key in keys.urls:
        value = record[key]
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if value.strip() if isinstance(value, str) else any(map(str.strip, texts_of(value))):
            return True
    return False


def urls_of(record: Mapping[str, Any], keys: RoleKeys) -> list[str]:
    """Return the addresses of a record, best first, each once."""
    found = [text for key in keys.urls for text in texts_of(record[key])]
    return list(dict.fromkeys(url.strip() for url in found if url.strip()))


def texts_of(value: Any) -> list[str]:
    """Return the plain values in a value as texts."""
    if isinstance(value, (str, int)):
        return [str(value)]
    if value is None or isinstance(value, dict):
        return []
    values = value if isinstance(value, list) else [value]
    return [str(each) for each in values if not isinstance(each, (dict, list)) and each is not None]
