"""What a Zarr group holds beside its first picture: more pictures, labels, tables, OME-XML, wells.

And what a precomputed volume does: meshes, skeletons, properties of segments.

Sources: OME-NGFF 0.4 and 0.5 (multiscales, labels, bioformats2raw.layout, plate, well), Fractal's
tables, and src/datasource/precomputed/volume.md of neuroglancer. The documents name all these, so
that no list of a store is needed; where there is one, folders that no document names are found too.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from imgcrawl.microscopy.zarr_documents import is_level_path
from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.volumes.metadata.discovery import folders_in
from imgcrawl.volumes.metadata.documents import VolumeDocuments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgcrawl.records.volume import VolumeAddress
    from imgcrawl.volumes.metadata.documents import Get

MemberKind: TypeAlias = Literal["picture", "label", "folder", "meshes"]

MAX_MEMBERS = 100_000
_MAX_DEPTH = 4  # of a plate, its wells, their pictures, and the labels of these
_AT_ONCE = 16
_OF_SEGMENTS = ("mesh", "skeletons", "segment_properties")  # of a precomputed info


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A picture or a folder of a group.

    path:  relative to the group; "" for the group itself
    kind:  "folder" for what is no picture: OME-XML, tables; "meshes" for what a precomputed volume
           has of its segments: there may be millions of files
    index: which of several multiscales in the same place
    """

    path: str
    kind: MemberKind
    index: int = 0


async def group_members(get: Get, address: VolumeAddress) -> list[GroupMember]:
    """Return what a group holds, in the order of its documents; nothing for what is no such group.

    get: returns the bytes of a document, or None
    Raises SourceError for more members than any plate has.
    """
    if address.driver in {None, "neuroglancer_precomputed"}:
        of_volume = await _of_precomputed(get, address)
        if of_volume or address.driver is not None:
            return of_volume
    if address.driver not in {None, "zarr", "zarr3"}:
        return []
    walk = _Walk(VolumeDocuments(get, address))
    try:
        await walk.begin()
        await walk.visit("", _MAX_DEPTH)
        found = walk.members
        if found:
            found += await _unnamed(get, address, walk)
    except RecordMissing:
        return []  # opening it says what is wrong
    return found


async def _of_precomputed(get: Get, address: VolumeAddress) -> list[GroupMember]:
    """Return a precomputed volume and what its info names beside it; nothing if that is nothing."""
    try:
        info = await VolumeDocuments(get, address).look("info") or {}
    except RecordMissing:
        return []
    named = _names([info.get(name) for name in _OF_SEGMENTS]) if info.get("scales") else []
    picture = [GroupMember("", "picture")] if named else []
    return picture + [GroupMember(path, "meshes") for path in named]


async def _unnamed(get: Get, address: VolumeAddress, walk: _Walk) -> list[GroupMember]:
    """Return the folders of a group that its documents do not name, if the store lists any."""
    try:
        folders = await folders_in(get, address)
    except (RecordMissing, SourceError, ValueError, OSError):
        return []
    named = {path.partition("/")[0] for path in walk.named}
    return [GroupMember(name, "folder") for name in folders if name not in named]


class _Walk:
    """Visits groups, the named ones below each in turn."""

    def __init__(self, documents: VolumeDocuments) -> None:
        self._documents = documents
        self._name = ".zattrs"
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self.members: list[GroupMember] = []
        self.named: set[str] = set()
        self._unreadable: set[str] = set()  # groups below it whose document is broken

    async def begin(self) -> None:
        """Find out which version of Zarr it is. Raises RecordMissing."""
        node = await self._documents.look("zarr.json")
        if node is not None:
            self._documents.learn_v3(node)
            self._name = "zarr.json"

    async def visit(self, path: str, depth: int) -> None:
        """Add the members of a group. Raises RecordMissing and SourceError."""
        about = await self._attributes(path)
        if len(self.members) > MAX_MEMBERS:
            raise SourceError(f"more than {MAX_MEMBERS:,} pictures in one group: type path= too")
        scales = [each for each in _list(about.get("multiscales")) if isinstance(each, dict)]
        for index, each in enumerate(scales):
            self.members.append(GroupMember(path, "picture", index))
            self.named |= {_join(path, name) for name in _paths(each.get("datasets"))}
        if scales:
            await self._beside(path)
        elif depth:
            if "bioformats2raw.layout" in about:
                await self._visit_all(await self._series(path), depth - 1)
                self._add_folder(_join(path, "OME"))
            wells = _paths(_table(about.get("plate")).get("wells"))
            images = _paths(_table(about.get("well")).get("images"))
            await self._visit_all([_join(path, name) for name in [*wells, *images]], depth - 1)

    async def _visit_all(self, paths: list[str], depth: int) -> None:
        """Visit groups that a document names; one that is not there is a missing picture."""
        await asyncio.gather(*map(self._attributes, paths))  # all at once; then in their order
        for path in paths:
            self.named.add(path)
            before = len(self.members)
            await self.visit(path, depth)
            if len(self.members) == before:
                self.members.append(GroupMember(path, "picture"))

    async def _beside(self, path: str) -> None:
        """Add the labels and tables of a picture."""
        labels, tables = _join(path, "labels"), _join(path, "tables")
        about, beside = await asyncio.gather(self._attributes(labels), self._attributes(tables))
        self.named.add(labels)
        for name in _names(about.get("labels")):
            self.members.append(GroupMember(f"{labels}/{name}", "label"))
        if beside.get("tables") or tables in self._unreadable:
            self._add_folder(tables)
        if labels in self._unreadable:  # whatever they are, they are there
            self._add_folder(labels)

    def _add_folder(self, path: str) -> None:
        self.named.add(path)
        self.members.append(GroupMember(path, "folder"))

    async def _series(self, path: str) -> list[str]:
        """Return the pictures of a converted file: 0, 1, ... if it does not say."""
        listed = _names((await self._attributes(_join(path, "OME"))).get("series"))
        if listed:
            return [_join(path, name) for name in listed]
        found: list[str] = []
        while await self._attributes(_join(path, str(len(found)))):
            found.append(_join(path, str(len(found))))
        return found or [_join(path, "0")]

    async def _attributes(self, path: str) -> dict[str, Any]:
        """Return the attributes of a group, those of OME-NGFF in any version; {} if there are none.

        A broken document below the first group is noted, and says nothing. Raises RecordMissing for
        that of the first group.
        """
        try:
            async with self._turns:
                node = await self._documents.look(_join(path, self._name)) or {}
        except RecordMissing:
            if not path:
                raise
            self._unreadable.add(path)
            return {}
        if self._name == "zarr.json":
            node = _table(node.get("attributes"))
        return _table(node.get("ome")) or node


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _paths(entries: object) -> list[str]:
    """Return the paths in a list of tables."""
    return _names([each.get("path") for each in _list(entries) if isinstance(each, dict)])


def _names(names: object) -> list[str]:
    """Return the usable paths of a list, each once."""
    good: Iterable[str] = (name for name in _list(names) if is_level_path(name))
    return list(dict.fromkeys(good))


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
