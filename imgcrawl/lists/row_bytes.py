"""Pictures that lie in a table themselves: Hugging Face's {bytes, path}, and ``data:`` addresses.

Source: https://huggingface.co/docs/datasets/image_dataset (features.Image: a struct of both).
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import unquote_to_bytes

from imgcrawl.lists.nested import value_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MIN_BYTES = 32  # of a picture; digests are as long at most
_FIRST = ("image.bytes", "img.bytes", "picture.bytes", "jpg", "image", "img")


_DATA = re.compile(r"\s*data:image/[\w.+-]+[^,]{0,100},", re.IGNORECASE)
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def columns_of_bytes(paths: Iterable[str], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the columns whose values are the bytes of files, the one of the pictures first."""
    found = {path for path in paths if any(bodies_of(row, path) for row in rows)}
    return sorted(found, key=lambda path: (path.replace("s[]", "") not in _FIRST, path))


def bodies_of(fields: dict[str, Any], path: str) -> list[tuple[bytes, str]]:
    """Return the files under a path of a row, each with its name, "" without one."""
    bodies, names = _listed(fields, path), _listed(fields, path_beside(path))
    if len(names) != len(bodies) or path_beside(path) == path:
        names = [None] * len(bodies)
    files = zip(map(_of_data_address, bodies), names, strict=True)
    return [(body, name if isinstance(name, str) else "") for body, name in files if is_body(body)]


def is_body(value: Any) -> TypeGuard[bytes]:
    """Return whether a value is the bytes of a file."""
    return isinstance(value, bytes) and len(value) >= MIN_BYTES


def _of_data_address(value: Any) -> Any:
    """Return the file that an address of the scheme ``data`` holds (RFC 2397); others as they are.

    One that is broken holds what can be read of it: no picture, as the check of it will say.
    """
    if not isinstance(value, str) or _DATA.match(value) is None:
        return value
    kind, _, data = value.partition(",")
    raw = unquote_to_bytes(data)
    if not kind.rstrip().lower().endswith(";base64"):
        return raw
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", raw.translate(_URL_SAFE))
    return binascii.a2b_base64(letters[: len(letters) - (len(letters) % 4 == 1)] + b"==")


def path_beside(path: str) -> str:
    """Return where the name of a file stands, ``image.path`` of ``image.bytes``."""
    parent, dot, _ = path.rpartition(".")
    return f"{parent}.path" if dot else path


def _listed(fields: dict[str, Any], path: str) -> list[Any]:
    value = value_at(fields, path)
    return value if isinstance(value, list) else [value]


def without_bytes(value: Any) -> Any:
    """Return a value of a row without the bytes of files in it: a row of a table has no room."""
    if is_body(value) or (isinstance(value, str) and _DATA.match(value)):
        return None
    if isinstance(value, dict):
        return {name: kept for name, v in value.items() if (kept := without_bytes(v)) is not None}
    return [without_bytes(each) for each in value] if isinstance(value, list) else value
