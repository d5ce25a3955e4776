"""From a body to a stored picture: checked, hashed, and stored."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imgcrawl.pictures.check import CheckLevel, PixelLimits, check_image
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
    """Stores pictures that are proven readable; costly work runs in IMAGE_THREADS threads.

    storage: a folder, or where IMAGES_STORE says
    """

    def __init__(
        self, storage: Storage, settings: BaseSettings, *, min_width: int, min_height: int
    ) -> None:
        self._storage = storage
        self._check_level = CheckLevel(settings["IMAGE_CHECK"])
        self._limits = PixelLimits(
            max_pixels=settings.getint("IMAGE_MAX_PIXELS"),
            max_decode_pixels=settings.getint("IMAGE_MAX_DECODE_PIXELS"),
            min_width=min_width,
            min_height=min_height,
        )
        self._threads = ThreadPoolExecutor(settings.getint("IMAGE_THREADS"), "images")

    def close(self) -> None:
        """Let the threads go."""
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

        Raises RecordMissing for a body that is no picture, and OSError where it cannot be written.
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
        """What is to be known of a file that is stored as `path` already. Raises RecordMissing."""
        facts = await self.call(check_image, file, self._check_level, self._limits)
        sha256, size = await self.call(digest, file)
        return CheckedPicture(path, sha256, size, facts)

    async def header(self, body: bytes) -> ImageFacts:
        """What a picture that was checked before says of itself. Raises RecordMissing."""
        facts: ImageFacts = await self.call(check_image, body, CheckLevel.HEADER, self._limits)
        return facts

    async def put(self, path: str, data: bytes) -> None:
        """Store bytes as they are."""
        if self._storage.is_local:
            self._storage.put(data, path)
        else:
            await asyncio.to_thread(self._storage.put, data, path)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call on the spot what is cheap, in a thread what takes a millisecond."""
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
        """Check, hash and store on the local disk, likewise."""
        kept = self._checked(body, digests, name)
        _store(self._storage, body, kept.path, origin.metadata())
        return kept


def _store(storage: Storage, body: bytes | Path, path: str, metadata: Mapping[str, str]) -> None:
    """Store a body under a path; one in a file moves."""
    if isinstance(body, bytes):
        storage.put(body, path, metadata)
    else:
        storage.move(body, path, metadata)


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A picture that is stored: what was found out on the way."""

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
