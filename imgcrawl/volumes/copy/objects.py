"""The objects of a copy: as a bucket lists them, a folder holds them, or documents imply them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.volumes.copy.grid import (
    OME,
    OME_XML,
    ChunkGrid,
    grids_below,
    parse_object,
    scale_grids,
)
from imgcrawl.volumes.copy.listing import (
    PAGE,
    ListedObject,
    NoListingError,
    list_bucket,
    listing_addresses,
    walk_folder,
)
from imgcrawl.volumes.metadata.folders import name_of, path_to
from imgcrawl.volumes.metadata.local_folder import folder_of
from imgcrawl.volumes.metadata.other_names import OtherNames
from imgcrawl.volumes.metadata.precomputed import scale_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from imgcrawl.records.volume import Copy
    from imgcrawl.volumes.copy.grid import Read
    from imgcrawl.volumes.copy.object_fetcher import ObjectFetcher

logger = logging.getLogger(__name__)


class CopyObjects:
    """The objects of one copy.

    complete: whether all of them have been named
    computed: from the documents, since the server does not list them
    """

    def __init__(self, fetcher: ObjectFetcher, copy: Copy) -> None:
        self._fetcher, self._address, self._volume = fetcher, copy.address, copy.volume
        self._parts = [f"{part.strip('/')}/" for part in copy.parts] or [""]
        self._refusal: RecordMissing | None = None
        self._probe: asyncio.Task[bool] | None = None
        self.complete = self.computed = False

    @property
    def absence_outcome(self) -> Outcome:
        """The outcome of a copy without any object."""
        refused = self._refusal is not None and self._refusal.outcome is Outcome.FORBIDDEN
        return Outcome.FORBIDDEN if refused else Outcome.NOT_FOUND

    @property
    def absence_reason(self) -> str:
        """Why there is no object, as the end of a sentence."""
        if self._refusal is None:
            return ""
        return f" that is a document of Zarr, N5 or neuroglancer, and {self._refusal.message}"

    async def read(self, read: Read) -> AsyncIterator[list[ListedObject]]:
        """Yield the objects, a page at a time.

        read: returns a document by its name, or None
        Raises RecordMissing, and OSError of a local folder.
        """
        folder = folder_of(self._address.url)
        if folder is not None:
            async for page in self._from_folder(folder):
                yield page
            self.complete = True
            return
        async for page in self._from_bucket():
            yield page
        if not self.complete:
            self.computed = True
            async for page in self._from_documents(read):
                yield page
            self.complete = True

    def url_of(self, key: str) -> str | None:
        """Return where to ask for an unlisted object, or None if the list is beyond doubt."""
        if folder_of(self._address.url) is not None:
            return None
        return self._address.url + quote(key, safe="/")

    async def is_absent(self, error: RecordMissing) -> bool:
        """Return whether an answer says that there is no such object.

        Some buckets answer 403 for that: one is asked once for what cannot be there.
        """
        if error.status in {404, 410}:
            return True
        if error.status not in {401, 403}:
            return False
        if self._probe is None:
            self._probe = asyncio.create_task(self._forbids_absence())
        return await self._probe

    async def _forbids_absence(self) -> bool:
        url = f"{self._address.url}no-such-object-{secrets.token_hex(8)}"
        try:
            return (await self._fetcher.request(url)).status in {401, 403}
        except RecordMissing:
            return False

    async def _from_folder(self, folder: Path) -> AsyncIterator[list[ListedObject]]:
        for part in self._parts:
            if not (folder / part).is_dir():
                raise RecordMissing(Outcome.NOT_FOUND, f"{folder / part} is no folder", tries=0)
            found = walk_folder(folder / part)
            while (page := await asyncio.to_thread(next, found, None)) is not None:
                yield [
                    ListedObject(part + each.key, each.url, each.size, each.etag) for each in page
                ]

    async def _from_bucket(self) -> AsyncIterator[list[ListedObject]]:
        request = self._fetcher.request
        for place in listing_addresses(self._address):
            try:
                for part in self._parts:
                    async for page in list_bucket(request, place, self._address, part):
                        yield page
            except NoListingError as error:
                self._refusal = error
            else:
                self.complete = True
                return
        if self._refusal is not None and self._refusal.outcome is Outcome.FORBIDDEN:
            words = "%s does not list its objects (%s): they are asked for by their documents."
            logger.warning(words, self._address.shown, self._refusal.message)

    async def grids(self, read: Read) -> list[tuple[str, ChunkGrid]]:
        """Return the arrays that the documents describe: folder and grid of each.

        read: returns a document by its name, or None
        Raises RecordMissing for documents that cannot be understood.
        """
        if self._volume is not None:
            return [("", grid) for grid in scale_grids(await self._scale(read))]
        found: list[tuple[str, ChunkGrid]] = []
        for part in self._parts:
            found += await grids_below(read, part, self._address.separator)
        if name_of(self._address) == OME:
            found.append(("", ChunkGrid((), lambda _: OME_XML)))
        return found

    async def _scale(self, read: Read) -> dict[str, Any]:
        """Return what the info of the volume says of the scale that is copied."""
        assert self._volume is not None
        node = parse_object(await read(path_to(self._volume, self._address) + "info"))
        scale = scale_at(node or {}, self._volume, self._address)
        if scale is None:
            words = f"{self._volume.shown}/info does not describe {self._address.shown}"
            raise RecordMissing(Outcome.NOT_FOUND, words, tries=0)
        return scale

    async def _from_documents(self, read: Read) -> AsyncIterator[list[ListedObject]]:
        for folder, grid in await self.grids(read):
            keys = self._objects_of(folder, grid)
            while page := list(islice(keys, PAGE)):
                yield page

    def _objects_of(self, folder: str, grid: ChunkGrid) -> Iterator[ListedObject]:
        others = OtherNames(grid.forms)
        for name in grid.names():
            yield self.named(folder + name, others)

    def named(self, key: str, others: OtherNames | None = None) -> ListedObject:
        """Return an object that no list has, by its key."""
        return ListedObject(key, self._address.url + quote(key, safe="/"), others=others)
