"""The JSON documents that describe a volume, fetched one by one and remembered."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.zarr_documents import parse_document
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import TypeAlias

    from imgcrawl.records.volume import VolumeAddress

    # Returns the bytes behind a URL, or None if there are none (404, or 403 for an absent object).
    Get: TypeAlias = Callable[[str], Awaitable[bytes | None]]

CONSOLIDATED = ".zmetadata"


class VolumeDocuments:
    """The documents below one address, by name, each fetched once.

    Consolidated ones are taken from .zmetadata (Zarr 2) or from the group's own (Zarr 3).
    """

    def __init__(self, get: Get, address: VolumeAddress) -> None:
        self._get = get
        self._address = address
        self._known: dict[str, dict[str, Any] | None] = {}
        self._bodies: dict[str, bytes] = {}
        self._origins: dict[str, str] = {}  # of what was found in another document

    async def read(self, name: str) -> dict[str, Any] | None:
        """Return a document, or None if it is absent.

        Raises RecordMissing for what is not a JSON object.
        """
        if name not in self._known:
            self._known[name] = await self._ask(name)
        return self._known[name]

    async def look(self, name: str) -> dict[str, Any] | None:
        """Return a document, or None if it is absent or a page in its place.

        Some servers answer any name with a page. Raises RecordMissing for any other body.
        """
        try:
            return await self.read(name)
        except RecordMissing as error:
            if error.outcome is not Outcome.NOT_IMAGE:
                raise
            self._known[name] = None
            return None

    def learn_v3(self, node: dict[str, Any], base: str = "") -> dict[str, Any]:
        """Note the documents within the own document of a Zarr 3 group; return path -> node."""
        inner = node.get("consolidated_metadata")
        known = inner.get("metadata") if isinstance(inner, dict) else None
        children = {
            path: child
            for path, child in (known.items() if isinstance(known, dict) else ())
            if isinstance(child, dict)
        }
        for path, child in children.items():
            name = f"{base}{path}/zarr.json"
            if name not in self._known:
                self._known[name], self._origins[name] = child, f"{base}zarr.json"
        return children

    async def consolidated(self) -> dict[str, Any]:
        """Return the documents in .zmetadata: name -> document."""
        whole = await self.look(CONSOLIDATED) or {}
        metadata = whole.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    def sha256(self, names: Iterable[str]) -> str:
        """Return the digest of the documents behind `names`.

        Of each: "name", a line feed and its bytes as sent. Names are relative to the address. One
        that came within another counts as that other, and each once, in the order of `names`.
        """
        digest = hashlib.sha256()
        for name in dict.fromkeys(self._origins.get(name, name) for name in names):
            if name in self._bodies:
                digest.update(f"{name}\n".encode() + self._bodies[name])
        return digest.hexdigest()

    async def _ask(self, name: str) -> dict[str, Any] | None:
        body = await self._get(self._address.url + name)
        if body is not None:
            parsed = parse_document(name, body)
            self._bodies[name] = body
            return parsed
        if name != CONSOLIDATED and name.rpartition("/")[2].startswith(".z"):
            found = (await self.consolidated()).get(name)
            if isinstance(found, dict):
                self._origins[name] = CONSOLIDATED
                return found
        return None
