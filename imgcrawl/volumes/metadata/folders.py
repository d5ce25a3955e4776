"""Folders within, beside and above an address of a volume, and the names on the way to them."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from imgcrawl.records.volume import VolumeAddress

# Stores within a file or a folder of another, which tensorstore opens: "a.zip|zip:path/". In an
# address they are a folder: ".../a.zip|zip/path/".
ADAPTERS = ("zip", "ocdbt")
_INSIDE = re.compile(rf"%7C({'|'.join(ADAPTERS)})/")
_STORE = re.compile(r"(?i)\.(zarr|n5)\Z")


@dataclass(frozen=True, slots=True)
class InnerPlace:
    """A place in a store that lies within another: a ZIP, or an OCDBT database.

    base: the URL of the file or folder that the store is in, without "/" at its end
    path: within the store, "" or with "/" at its end
    """

    adapter: str
    base: str
    path: str


def inner_place(url: str) -> InnerPlace | None:
    """Return the place within a ZIP or a database that a URL of ours means, or None."""
    found = _INSIDE.search(url)
    if found is None:
        return None
    return InnerPlace(found[1], url[: found.start()], unquote(url[found.end() :]))


def within(address: VolumeAddress, path: str) -> VolumeAddress:
    """Return a folder within another, its name encoded as in URLs.

    Raises ValueError for a path that leads out of it, or cannot be one.
    """
    path = path.strip("/")
    if not path:
        return address
    check_parts(path)
    shown = f"{address.shown.rstrip('/')}/{path}"
    return replace(address, shown=shown, url=f"{address.url}{quote(path)}/")


def beside(address: VolumeAddress, path: str) -> VolumeAddress:
    """Return a folder by a path that may lead out of another by "..": never out of its store.

    On this computer a store is the folder above, as far as anybody knows: a document of others must
    not reach further. Raises ValueError for a path that does, or cannot be one.
    """
    there = address
    normal = posixpath.normpath(path)
    if normal.endswith("..") or (address.url.startswith("file:") and normal.startswith("../..")):
        raise ValueError(f"{path[:200]!r} leads out of {address.shown}")
    for name in path.strip("/").split("/"):
        found = parent(there) if name == ".." else within(there, name)
        if found is None:
            raise ValueError(f"{path[:200]!r} leads out of {address.shown}")
        there = found
    return there


def path_to(address: VolumeAddress, start: VolumeAddress) -> str:
    """Return the path that leads from one folder of a store to another: "../", "../../a/"."""
    paths = ["/".join(["", *folder_names(each)]) for each in (address, start)]
    path = posixpath.relpath(*paths)
    return "" if path == "." else f"{path}/"


def folder_names(address: VolumeAddress) -> list[str]:
    """Return the folders on the way to an address, below its bucket or host."""
    return [unquote(part) for part in _root_and_path(address)[1].split("/") if part]


def parent(address: VolumeAddress) -> VolumeAddress | None:
    """Return the folder above, or None above a bucket or a host."""
    root, path = _root_and_path(address)
    if not path.strip("/"):
        return None
    above = path.strip("/").rpartition("/")[0]
    shown = address.shown.rstrip("/").rpartition("/")[0]
    return replace(address, shown=shown, url=f"{root}{above}/" if above else root)


def store_of(address: VolumeAddress) -> tuple[VolumeAddress, str]:
    """Return the store that a folder lies in, and the path of the folder within it.

    A store is the first folder on the way that is called .zarr or .n5; without one it is the
    folder itself, and the path is "".
    """
    parts = folder_names(address)
    place = next((n for n, part in enumerate(parts) if _STORE.search(part)), len(parts) - 1)
    store = address
    for _ in parts[place + 1 :]:
        store = parent(store) or store
    return store, "/".join(parts[place + 1 :])


def name_of(address: VolumeAddress) -> str:
    """Return the name of a folder, or of its bucket or host if it has none."""
    parts = folder_names(address)
    return parts[-1] if parts else address.shown.rstrip("/").rpartition("/")[2] or "volume"


def bucket_listing(address: VolumeAddress) -> str | None:
    """Return the URL that lists what lies right below an address, or None outside of buckets."""
    if not address.shown.startswith(("s3://", "gs://")):
        return None
    bucket, _, key = address.shown.partition("://")[2].rstrip("/").partition("/")
    root = address.url.removesuffix(f"{quote(key)}/") if key else address.url
    if not bucket or (key and root == address.url):
        return None
    prefix = quote(f"{key}/", safe="") if key else ""
    return f"{root}?list-type=2&delimiter=%2F&max-keys=1000&prefix={prefix}"


def _root_and_path(address: VolumeAddress) -> tuple[str, str]:
    """Return what precedes the folders of an address, and the folders as in its URL."""
    scheme, _, rest = address.url.partition("://")
    if address.shown.startswith(("s3://", "gs://")):
        key = address.shown.partition("://")[2].rstrip("/").partition("/")[2]
        path = f"{quote(key)}/" if key else ""
        return address.url.removesuffix(path), path
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}/", path


def check_parts(path: str) -> None:
    """Raise ValueError for a path that is none of folders below another."""
    for part in path.split("/") if path else ():
        if part in {"", ".", ".."} or not part.isprintable() or "\\" in part:
            raise ValueError(f"{path[:200]!r} is no path: type folders as in a/b/c")
