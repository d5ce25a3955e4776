"""What a group of OME-NGFF holds beside the pictures that cubes are cut from: said, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import NotFollowed
from imgcrawl.sources.zarr_members import describe_members, name_of_member
from imgcrawl.volumes.metadata.folders import within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from logging import Logger, LoggerAdapter

    from imgcrawl.records.volume import Multiscale, VolumeAddress
    from imgcrawl.sources.volume_store import VolumeStore
    from imgcrawl.volumes.metadata.members import GroupMember

_WHY = {
    "picture": "another picture of the group: scrapy crawl zarr takes it with series=",
    "label": "labels of the group: type their path behind the url",
    "folder": "a folder of the group: scrapy crawl zarr copies it, without box and size",
}
UNKNOWN = "what else the group holds cannot be read"


async def pictures_beside(
    store: VolumeStore,
    logger: LoggerAdapter[Logger],
    opened: Sequence[tuple[VolumeAddress, Multiscale]],
) -> list[NotFollowed]:
    """Return what the groups of some pictures hold and none of these is, after a warning of it.

    opened: the pictures that are taken, and the addresses that they were opened by; only groups of
            OME-NGFF are asked for what they hold
    """
    taken = {picture.address.url for _, picture in opened}
    found: dict[str, NotFollowed] = {}
    for address, picture in opened:
        if not picture.kind.startswith("OME-Zarr"):
            continue
        try:
            members, there = await store.members(address)
        except SourceError as error:  # the picture itself is good
            logger.warning("What else %s holds is not known: %s", address.shown, error)
            found[address.shown] = NotFollowed(address.shown, UNKNOWN)
            continue
        left = [
            member
            for member in members
            if member.kind != "meshes"
            and (member.index or within(there, member.path).url not in taken)
        ]
        if left:
            logger.warning(
                "%s holds more, which is left out: %s. For a picture type scrapy crawl zarr "
                "-a url=%s -a series=NAME; for labels their path behind the url; for the rest "
                "scrapy crawl zarr without box and size",
                there.shown,
                describe_members(left),
                there.shown,
            )
        found |= {each.where: each for each in not_followed(there, left)}
    return [*found.values()]


def not_followed(root: VolumeAddress, members: Iterable[GroupMember]) -> list[NotFollowed]:
    """Return members of a group that are left out, as what is counted."""
    return [
        NotFollowed(
            f"{root.shown.rstrip('/')}/{name_of_member(member)}",
            _WHY.get(member.kind, _WHY["folder"]),
        )
        for member in members
    ]
