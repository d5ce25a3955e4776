"""Which members of a Zarr group are copied, and as which records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.records.errors import NoAnswerError, SourceError
from imgcrawl.records.items import Expects, Missing, VolumeItem
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.zarr import copy_folder, copy_item, level_copies
from imgcrawl.text.suggest import did_you_mean
from imgcrawl.volumes.metadata.folders import within
from imgcrawl.volumes.metadata.levels import NotVoxelsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imgcrawl.records.volume import Level, Multiscale, VolumeAddress
    from imgcrawl.sources.volume_store import VolumeStore
    from imgcrawl.volumes.metadata.members import GroupMember

_SHOWN = 20
_OME = "OME"  # the folder of a file's own metadata, small and of all its pictures


def choose_members(
    members: Sequence[GroupMember],
    series: Sequence[str],
    *,
    with_labels: bool,
    with_meshes: bool = False,
) -> tuple[list[GroupMember], list[GroupMember]]:
    """Return the members that are wanted, and those that are left out.

    series:      which pictures, by their path or number; all if there are none
    with_labels: whether labels, tables and other folders of them are wanted too
    with_meshes: likewise, what a precomputed volume has of its segments
    Raises SourceError, with the pictures that there are, for one that is not there.
    """
    pictures = {name_of_member(member): member for member in members if member.kind == "picture"}
    numbers = {str(number): name for number, name in enumerate(pictures)}
    wanted = set(pictures)
    if series:
        wanted = {name if name in pictures else numbers.get(name, name) for name in series}
        for name in sorted(wanted - pictures.keys()):
            shown = "\n".join(f"  -a series={each}" for each in [*pictures][:_SHOWN])
            near = did_you_mean(name, pictures)
            raise SourceError(f"series={name}: there is no such picture{near}\n{shown}")

    def is_wanted(member: GroupMember) -> bool:
        if member.kind == "picture":
            return name_of_member(member) in wanted
        if member.kind == "meshes":
            return with_meshes
        if member.path.rpartition("/")[2] == _OME:
            return True
        owner = [name for name, each in pictures.items() if _is_below(member.path, each.path)]
        return with_labels and (not owner or bool(wanted & set(owner)))

    taken = [member for member in members if is_wanted(member)]
    return taken, [member for member in members if member not in taken]


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def name_of_member(member: GroupMember) -> str:
    """Return how a picture is asked for: by its path, and its number where several share that."""
    path = member.path or "."
    return path if not member.index else f"{path}#{member.index}"


def describe_members(members: Sequence[GroupMember]) -> str:
    """Return the names of members in one line, not all of very many."""
    shown = ", ".join(map(name_of_member, members[:_SHOWN]))
    return shown + (f" and {len(members) - _SHOWN:,} more" if len(members) > _SHOWN else "")


def as_it_is(
    address: VolumeAddress, folder: str, error: NotVoxelsError
) -> Iterator[Expects | VolumeItem]:
    """Yield the record of a copy of all below an address, whose voxels cannot be read here."""
    yield Expects(1, None, f"{str(error).removesuffix('.')}: it is copied as it is.")
    yield copy_item(address, folder)


class MemberCopies:
    """Copies of the members of one group, each level and each folder a record.

    root:    the group
    members: of it
    level:   names of the levels that are wanted; all if there are none
    """

    def __init__(
        self,
        store: VolumeStore,
        root: VolumeAddress,
        members: Sequence[GroupMember],
        level: Sequence[str],
    ) -> None:
        self._store, self._root, self._members = store, root, members
        self._names = set() if "all" in level else set(level)
        self._whatever = "all" in level  # its size, and whether its voxels can be read here
        self._opened: dict[GroupMember, Multiscale | SourceError] = {}

    async def open(self) -> list[Multiscale]:
        """Return the pictures and labels that can be read. Raises NoAnswerError."""
        for member in self._members:
            if member.kind in {"folder", "meshes"}:
                continue
            address = within(self._root, member.path)
            try:
                self._opened[member] = await self._store.open(address, member.index)
            except NoAnswerError:
                raise
            except SourceError as error:
                self._opened[member] = error
        return [each for each in self._opened.values() if not isinstance(each, SourceError)]

    def levels(self) -> list[Level]:
        """Return the levels that are copied, in the order of their records."""
        pictures = [each for each in self._opened.values() if not isinstance(each, SourceError)]
        return [level for picture in pictures for level in self._wanted(picture)]

    def _wanted(self, picture: Multiscale) -> list[Level]:
        return [each for each in picture.levels if not self._names or each.name in self._names]

    def records(self, sizes: Mapping[Level, int] | None = None) -> Iterator[Expects | VolumeItem]:
        """Yield a record of each level and folder; of what cannot be read a missing one.

        sizes: about how many bytes a level has
        """
        for member in self._members:
            folder = copy_folder(self._root, member.path)
            found = self._opened.get(member)
            if found is None:
                there = within(self._root, member.path)
                yield Expects(1, None, f"{there.shown}: a folder, with all that is in it.")
                yield copy_item(there, folder)
                continue
            if isinstance(found, NotVoxelsError) and self._whatever:
                yield from as_it_is(within(self._root, member.path), folder, found)
                continue
            if isinstance(found, NotVoxelsError):
                found = SourceError(f"{found} As it is, whatever its size: -a level=all")
            if isinstance(found, SourceError):
                yield from self._missing(member, folder, str(found))
                continue
            levels = self._wanted(found)
            if not levels:
                words = f"{found.address.shown} has no level {', '.join(sorted(self._names))}"
                yield from self._missing(member, folder, words)
            yield from level_copies(found, levels, folder, sizes)

    def _missing(
        self, member: GroupMember, folder: str, words: str
    ) -> Iterator[Expects | VolumeItem]:
        """Yield the record of a picture that a document names and that cannot be read."""
        url = within(self._root, member.path).url
        item = VolumeItem(folder, [url], folder)
        item.result = Missing(Outcome.NOT_FOUND, words.removesuffix("."), url)
        yield Expects(1, None, f"{folder}: {words.removesuffix('.')}.")
        yield item
