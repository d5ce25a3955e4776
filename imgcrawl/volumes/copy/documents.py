"""The documents of a copy: its own, and those of the folders above it."""

from __future__ import annotations

import asyncio
import hashlib
import posixpath
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from imgcrawl.microscopy.zarr_documents import document_at
from imgcrawl.volumes.copy.grid import DOCUMENTS, parse_object
from imgcrawl.volumes.copy.object_fetcher import MAX_DOCUMENT, FetchedObject
from imgcrawl.volumes.metadata.folders import path_to
from imgcrawl.volumes.metadata.local_folder import folder_of
from imgcrawl.volumes.metadata.webknossos import DATASET

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imgcrawl.records.volume import Copy
    from imgcrawl.storage.base import Storage
    from imgcrawl.volumes.copy.object_fetcher import ObjectFetcher

_STORE = re.compile(r"(?i).+\.(zarr|n5|precomputed)")  # nothing above such a folder is part of it
_NAMES_BY_DRIVER = {
    "zarr": (".zgroup", ".zattrs", ".zarray", ".zmetadata"),
    "zarr3": ("zarr.json",),
    "n5": ("attributes.json",),
    "neuroglancer_precomputed": ("info",),
}


def folders_above(url: str, target: str) -> list[tuple[str, str]]:
    """Return the folders above an address that have a place above its target.

    Each with its URL and its path below OUT. A folder has a place as far as the names agree, up to
    the folder that is the store.
    """
    theirs = unquote(urlsplit(url).path).strip("/").split("/")
    ours = target.split("/")
    found: list[tuple[str, str]] = []
    while len(ours) > 1 and ours[-2:] == theirs[-2:] and not _STORE.fullmatch(ours[-1]):
        theirs.pop()
        ours.pop()
        url = url.rstrip("/").rpartition("/")[0] + "/"
        found.append((url, "/".join(ours)))
    return found


class SharedDocuments:
    """The documents of folders above copies: fetched once in a run, and stored where they belong.

    Each run fetches them anew, since a group may have got more levels.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._tasks: dict[tuple[str, str], asyncio.Task[dict[str, bytes]]] = {}

    async def fetch(
        self, fetcher: ObjectFetcher, names: Iterable[str], url: str, folder: str
    ) -> dict[str, bytes]:
        """Return the documents of the folder at `url` by name, stored in `folder` below OUT.

        Raises RecordMissing and OSError.
        """
        task = self._tasks.get((url, folder))
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._store(fetcher, names, url, folder))
            self._tasks[url, folder] = task
        return await asyncio.shield(task)

    async def _store(
        self, fetcher: ObjectFetcher, names: Iterable[str], url: str, folder: str
    ) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for name in names:
            body, _ = await _fetch_body(fetcher, url, name)
            if body is not None and parse_object(body) is not None:
                await asyncio.to_thread(self._storage.put, body, f"{folder}/{name}")
                found[name] = body
        return found


class CopyDocuments:
    """The documents of one copy: its own, and those of the folders above it.

    A body that is not a JSON object is not a document, whatever its name.
    """

    def __init__(
        self,
        shared: SharedDocuments,
        fetcher: ObjectFetcher,
        copy: Copy,
        out: Path,
        folder: str,
    ) -> None:
        self._shared, self._fetcher = shared, fetcher
        self._address, self._volume = copy.address, copy.volume
        self._out, self._folder = out, folder
        self._names = _NAMES_BY_DRIVER.get(copy.address.driver or "", DOCUMENTS)
        self._bodies: dict[str, bytes] = {}

    def own(self, parts: tuple[str, ...]) -> list[str]:
        """Return the names that documents may have in the copy's own folders, top folder first."""
        if self._volume is not None:
            return []
        folders = {"": None}
        for part in parts:
            steps = part.strip("/").split("/")
            folders |= dict.fromkeys("/".join(steps[: n + 1]) + "/" for n in range(len(steps)))
        names = [folder + name for folder in folders for name in self._names]
        return [*names, DATASET] if self._names is DOCUMENTS else names

    async def fetch_above(self) -> None:
        """Fetch the documents of the folders above; of a scale, the info of its volume.

        Raises RecordMissing and OSError.
        """
        if self._volume is not None:
            path = path_to(self._volume, self._address)
            place = posixpath.normpath(f"{self._folder}/{path}")
            found = await self._shared.fetch(self._fetcher, ("info",), self._volume.url, place)
            self._bodies |= {path + name: body for name, body in found.items()}
            return
        for up, (url, folder) in enumerate(folders_above(self._address.url, self._folder), 1):
            found = await self._shared.fetch(self._fetcher, self._names, url, folder)
            for name, body in found.items():
                self._bodies["../" * up + name] = body

    async def fetch(self, key: str) -> tuple[FetchedObject, str | None] | None:
        """Fetch one of the copy's own documents into a file; return it with its ETag.

        None if there is no such document. Raises RecordMissing.
        """
        body, etag = await _fetch_body(self._fetcher, self._address.url, key)
        if body is None or parse_object(body) is None:
            return None
        self._bodies[key] = body
        file = self._fetcher.new_file()
        await asyncio.to_thread(file.write_bytes, body)
        sha256 = hashlib.sha256(body).hexdigest()
        return FetchedObject(file, len(body), etag, sha256, 1), etag

    async def described(self, name: str) -> bytes | None:
        """Return a document as `kept` does, or from its source if the copy lies elsewhere.

        Raises RecordMissing.
        """
        found = await asyncio.to_thread(self.kept, name)
        if found is None and not name.startswith("../") and not (self._out / self._folder).is_dir():
            found, _ = await _fetch_body(self._fetcher, self._address.url, name)
        return found

    def kept(self, name: str) -> bytes | None:
        """Return a document, as it was copied, by its name relative to the copy ("../.zattrs").

        None if there is none. Blocks.
        """
        if name in self._bodies or name.startswith("../"):
            return self._bodies.get(name)
        return document_at(self._out / self._folder / name, MAX_DOCUMENT)


async def _fetch_body(
    fetcher: ObjectFetcher, base: str, name: str
) -> tuple[bytes | None, str | None]:
    """Return the body and the ETag of a document, None for an absent one.

    Raises RecordMissing.
    """
    folder = folder_of(base)
    if folder is not None:
        return await asyncio.to_thread(document_at, folder / name, MAX_DOCUMENT), None
    found, response = await fetcher.document(base + quote(name, safe="/"))
    etag = (response.headers.get("ETag") or b"").decode("latin-1")
    return found, etag.removeprefix("W/").strip('"') or None
