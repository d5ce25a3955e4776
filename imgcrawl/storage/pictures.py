"""Bodies of responses become stored pictures: checked, hashed, and put into a storage."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imgcrawl.pictures.check import CheckLevel, PixelLimits, check_image
from imgcrawl.pictures.cores import usable_cores
from imgcrawl.pictures.decode_memory import DecodeMemory
from imgcrawl.pictures.placeholders import known_body
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.digests import check_digests, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from scrapy.settings import BaseSettings

    from imgcrawl.pictures.check import ImageFacts
    from imgcrawl.records.items import Stored
    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.origin import Origin


# Below this, and without decoding, a check and a write cost less than the way to a thread.
INLINE_BYTES = 1 << 20


class CheckedPictureStore:
    """A storage of pictures that are proven readable; costly work runs in IMAGE_THREADS threads.

    storage: OUT, or the place that IMAGES_STORE names
    """

    def __init__(
        self, storage: Storage, settings: BaseSettings, *, min_width: int, min_height: int
    ) -> None:
        self._storage = storage
        self._check_level = CheckLevel(settings["IMAGE_CHECK"])
        self._limits = PixelLimits(
            max_pixels=settings.getint("IMAGE_MAX_PIXELS"),
            max_decode_pixels=settings.getint("IMAGE_MAX_DECODE_PIXELS"),
            max_aspect_ratio=settings.getfloat("IMAGE_MAX_ASPECT_RATIO"),
            min_width=min_width,
            min_height=min_height,
            memory=DecodeMemory(settings.getint("IMAGE_DECODE_MEMORY")),
        )
        threads = settings.getint("IMAGE_THREADS") or usable_cores()
        self._threads = ThreadPoolExecutor(threads, "images")

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown()

    async def keep(
        self,
        body: bytes | Path,
        digests: dict[str, str],
        name: Callable[..., str],
        origin: Origin,
    ) -> CheckedPicture:
        """Check and store a body; one in a file on the local disk moves, and is not copied.

        digests: those that the source promises, by algorithm of hashlib
        name:    makes the final name, given the `extension` that the bytes call for

        Raises RecordMissing for a body that is not a picture, and OSError or StoreError.
        """
        if self._storage.is_local:
            kept: CheckedPicture = await self.call(
                self._check_and_store, body, digests, name, origin
            )
            return kept
        kept = await self.call(self._checked, body, digests, name)
        metadata = {"width": str(kept.facts.width), "height": str(kept.facts.height)}
        await asyncio.to_thread(_store, self._storage, body, kept.path, metadata)
        return kept

    async def examine(self, file: Path, path: str) -> CheckedPicture:
        """Check and hash a file that is stored as `path` already. Raises RecordMissing."""
        facts = await self.call(check_image, file, self._check_level, self._limits)
        sha256, size = await self.call(digest, file)
        return CheckedPicture(path, sha256, size, facts)

    async def header(self, body: bytes) -> ImageFacts:
        """Return the facts of a picture that was checked before. Raises RecordMissing."""
        facts: ImageFacts = await self.call(check_image, body, CheckLevel.HEADER, self._limits)
        return facts

    async def read(self, path: str) -> bytes:
        """Return the bytes of a stored picture. Raises OSError or StoreError."""
        return await asyncio.to_thread(self._read, path)

    def _read(self, path: str) -> bytes:
        with self._storage.open(path) as file:
            return file.read()

    async def put(self, path: str, data: bytes) -> None:
        """Store bytes as they are."""
        if self._storage.is_local:
            self._storage.put(data, path)
        else:
            await asyncio.to_thread(self._storage.put, data, path)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function: here if it is cheap, in a thread if it takes a millisecond."""
        small = isinstance(args[0], bytes) and len(args[0]) < INLINE_BYTES
        if small and self._check_level is not CheckLevel.DECODE:
            return function(*args)
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def _check(self, body: bytes | Path, digests: dict[str, str]) -> ImageFacts:
        facts = check_image(body, self._check_level, self._limits)
        if isinstance(body, bytes) and (what := known_body(body)):
            raise RecordMissing(Outcome.PLACEHOLDER, f"the bytes of a placeholder ({what})")
        check_digests(body, digests)
        return facts

    def _checked(
        self, body: bytes | Path, digests: dict[str, str], name: Callable[..., str]
    ) -> CheckedPicture:
        """Check and hash a body; runs in a thread for anything costly."""
        facts = self._check(body, digests)
        return CheckedPicture(name(extension=facts.extension), *digest(body), facts)

    def _check_and_store(
        self,
        body: bytes | Path,
        digests: dict[str, str],
        name: Callable[..., str],
        origin: Origin,
    ) -> CheckedPicture:
        """Check, hash and store a body on the local disk, in one call of a thread."""
        kept = self._checked(body, digests, name)
        _store(self._storage, body, kept.path, origin.metadata(kept.sha256))
        return kept


def _store(storage: Storage, body: bytes | Path, path: str, metadata: Mapping[str, str]) -> None:
    """Store a body under a path; a file is moved."""
    if isinstance(body, bytes):
        storage.put(body, path, metadata)
    else:
        storage.move(body, path, metadata)


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A stored picture, with its digest, size in bytes and facts."""

    path: str
    sha256: str
    size: int
    facts: ImageFacts

    def stored(self, origin: Origin, tries: int) -> Stored:
        """Return the result of the picture's record."""
        facts = self.facts
        return replace(
            origin.stored(self.path, self.sha256, self.size, tries),
            format=facts.format,
            width=facts.width,
            height=facts.height,
            mode=facts.mode,
            orientation=facts.orientation,
            frames=facts.frames,
            suspect=facts.suspect,
        )
