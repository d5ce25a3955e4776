"""The multiscales in the folders below an address, named if it is not one itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parsel import Selector

from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.volumes.metadata.documents import VolumeDocuments
from imgcrawl.volumes.metadata.folders import bucket_listing, within
from imgcrawl.volumes.metadata.local_folder import folder_of, list_folder
from imgcrawl.volumes.metadata.webknossos import webknossos_pictures

if TYPE_CHECKING:
    from imgcrawl.records.volume import VolumeAddress
    from imgcrawl.volumes.metadata.documents import Get

_MAX_ASKED = 40  # folders looked into
_MAX_DEPTH = 8
_MAX_FOUND = 200
_ARRAYS = frozenset({".zarray"})
_OF_GROUPS = ("zarr.json", ".zgroup", ".zattrs", "attributes.json", "info")
_MAYBE = frozenset({".zattrs", "zarr.json", "attributes.json", "info"})


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """The content of a folder: names of files and of folders."""

    files: frozenset[str]
    folders: tuple[str, ...]


async def pictures_below(get: Get, address: VolumeAddress) -> list[str]:
    """Return paths of multiscales below an address, from consolidated metadata or a listing.

    Groups of levels come alone, without their arrays. If there are only arrays, they are named.
    """
    try:
        found = await _consolidated(VolumeDocuments(get, address))
        found = found or await webknossos_pictures(get, address)
        found = found or await _listed(get, address) or await _by_convention(get, address)
        return found[:_MAX_FOUND]
    except (RecordMissing, SourceError, ValueError, OSError):
        return []  # this is only a help to a person whose address was wrong


async def documents_at(get: Get, address: VolumeAddress) -> list[str]:
    """Return the names of the documents right at an address. Raises RecordMissing."""
    documents = VolumeDocuments(get, address)
    return [name for name in _OF_GROUPS if await documents.look(name) is not None]


async def _by_convention(get: Get, address: VolumeAddress) -> list[str]:
    """Return the paths below a group of N5 that programs give their pictures, if it has such.

    Sources: Paintera (data in a group with painteraData) and BigDataViewer's N5 format
    (setupS/timepointT); neither names them in a document. Raises RecordMissing.
    """
    documents = VolumeDocuments(get, address)
    group = await documents.look("attributes.json")
    if group is None:
        return []

    async def counted(name: str) -> list[str]:
        found: list[str] = []
        while len(found) < _MAX_ASKED:
            path = name.format(len(found))
            if await documents.look(f"{path}/attributes.json") is None:
                break
            found.append(path)
        return found

    if "painteraData" in group:
        return ["data"] if await documents.look("data/attributes.json") is not None else []
    if "downsamplingFactors" in group:  # a setup
        return await counted("timepoint{}")
    setups = await counted("setup{}")
    points = await counted("setup0/timepoint{}") if setups else []
    return [f"{setup}/{path.partition('/')[2]}" for setup in setups for path in points]


async def folders_in(get: Get, address: VolumeAddress) -> tuple[str, ...]:
    """Return the names of the folders right below an address; none if they are not listed.

    Raises RecordMissing, SourceError or OSError of the store.
    """
    folder = await _folder(get, address)
    return () if folder is None else folder.folders


async def _consolidated(documents: VolumeDocuments) -> list[str]:
    node = await documents.look("zarr.json")
    nodes: dict[str, dict[str, Any]] = {}
    arrays: list[str] = []
    if node is not None:
        for path, child in documents.learn_v3(node).items():
            attributes = child.get("attributes")
            nodes[path] = attributes if isinstance(attributes, dict) else {}
            arrays += [path] if child.get("node_type") == "array" else []
    else:
        for name, document in (await documents.consolidated()).items():
            path, _, last = name.rpartition("/")
            if last == ".zattrs" and isinstance(document, dict):
                nodes[path] = document
            arrays += [path] if last == ".zarray" else []
    groups = [path for path, attributes in nodes.items() if path and _is_picture(attributes)]
    return sorted(groups) or sorted(filter(None, arrays))


def _is_picture(attributes: dict[str, Any]) -> bool:
    ome = attributes.get("ome")
    holder = ome if isinstance(ome, dict) else attributes
    return bool(holder.get("multiscales")) or "bioformats2raw.layout" in holder


async def _listed(get: Get, address: VolumeAddress) -> list[str]:
    """Search folders, nearer ones first, never below a multiscale."""
    queue, groups, arrays = [("", 0)], [], []
    for _ in range(_MAX_ASKED):
        if not queue:
            break
        path, depth = queue.pop(0)
        here = within(address, path)
        folder = await _folder(get, here)
        if folder is None:
            break
        if path and _ARRAYS & folder.files:
            arrays.append(path)
            continue
        if path and _MAYBE & folder.files and await _holds_picture(get, here, folder):
            groups.append(path)
            continue
        if depth < _MAX_DEPTH:
            queue += [(f"{path}/{name}".strip("/"), depth + 1) for name in folder.folders]
    return (sorted(groups) or sorted(arrays))[:_MAX_FOUND]


async def _holds_picture(get: Get, here: VolumeAddress, folder: FoundFolder) -> bool:
    documents = VolumeDocuments(get, here)
    if "info" in folder.files:
        return bool((await documents.look("info") or {}).get("scales"))
    for name in sorted(_MAYBE & folder.files):
        node = await documents.look(name) or {}
        attributes = node.get("attributes") if name == "zarr.json" else node
        if isinstance(attributes, dict) and _is_picture(attributes):
            return True
        if node.get("node_type") == "array" or "dimensions" in node:
            return True
    return name == "attributes.json" and "s0" in folder.folders


async def _folder(get: Get, address: VolumeAddress) -> FoundFolder | None:
    """Return the content of a folder, or None if it is not listed."""
    if (local := folder_of(address.url)) is not None:
        files, folders = await asyncio.to_thread(list_folder, local)
        return FoundFolder(frozenset(files), tuple(folders))
    url = bucket_listing(address)
    body = await get(url) if url else None
    return None if body is None else await asyncio.to_thread(_read_listing, body)


def _read_listing(body: bytes) -> FoundFolder | None:
    """Return the names in the XML that S3 and GCS answer with, or None."""
    text = body.decode("utf-8", "replace")
    if "<ListBucketResult" not in text[:2000]:
        return None
    selector = Selector(text, type="xml")
    selector.remove_namespaces()
    keys = selector.xpath("//Contents/Key/text()").getall()
    prefixes = selector.xpath("//CommonPrefixes/Prefix/text()").getall()
    return FoundFolder(
        frozenset(key.rpartition("/")[2] for key in keys),
        tuple(prefix.rstrip("/").rpartition("/")[2] for prefix in prefixes),
    )
