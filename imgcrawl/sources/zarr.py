"""Levels of a store that are copied as they are: which ones, as which records, to where."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Expects, VolumeItem
from imgcrawl.records.volume import Copy, size_of_level
from imgcrawl.text.suggest import did_you_mean
from imgcrawl.volumes.crop.columns import columns_of_level
from imgcrawl.volumes.metadata.folders import beside, folder_names, name_of, store_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imgcrawl.records.items import Metadata
    from imgcrawl.records.volume import Level, Multiscale, VolumeAddress


def pick_levels(picture: Multiscale, names: Sequence[str]) -> list[Level]:
    """Return the levels of these names, each once; every level if ``all`` is among them.

    Raises SourceError, with the levels that there are, for a name that none has.
    """
    if "all" in names:
        return [*picture.levels]
    known = {level.name: level for level in picture.levels}
    for name in names:
        if name not in known:
            shown = "\n".join(f"  {describe_level(level)}" for level in picture.levels)
            near = did_you_mean(name, known).removesuffix(".")
            raise SourceError(
                f"level={name}: {picture.address.shown} has no such level{near}\n{shown}"
            )
    return [known[name] for name in dict.fromkeys(names)]


def level_copies(
    picture: Multiscale,
    levels: Sequence[Level],
    base: str = "",
    sizes: Mapping[Level, int] | None = None,
) -> Iterator[Expects | VolumeItem]:
    """Yield a copy of each level, after what there is to say of it.

    base:  the folder of the picture in OUT; by default that of its store, and its own path in it
    sizes: about how many bytes a level has
    """
    base = base or copy_folder(picture.address)
    for level in levels:
        is_whole = level.address == picture.address and level.scale is None
        folder = base if is_whole else f"{base}/{level.name}"
        there, volume = level.address, None
        if level.scale is not None:  # a precomputed scale has a folder of its own
            there, volume = beside(there, level.name), there
            folder = _scale_folder(picture, level)
        size = (sizes or {}).get(level)
        yield Expects(1, size, f"{there.shown} ({picture.kind}): {describe_level(level)}.")
        item = copy_item(there, folder, columns_of_level(level, picture.kind))
        item.copy = Copy(there, volume=volume)
        yield item


def _scale_folder(picture: Multiscale, level: Level) -> str:
    """Return the folder of a scale in OUT: it lies to that of the volume as it does at the source.

    Where a key leads up by "..", the volume keeps as many of the folders above it as are needed.
    """
    up = max(each.name.split("/").count("..") for each in picture.levels)
    volume = copy_folder(picture.address)
    if up >= len(volume.split("/")):
        volume = "/".join(folder_names(picture.address)[-up - 1 :])
    return posixpath.normpath(f"{volume}/{level.name}")


def copy_item(there: VolumeAddress, folder: str, columns: Metadata | None = None) -> VolumeItem:
    """Return the record of a copy of all that lies below an address."""
    return VolumeItem(folder, [there.url], folder, columns or {}, copy=Copy(there))


def copy_folder(address: VolumeAddress, *below: str) -> str:
    """Return the folder of a copy in OUT: that of the store's name, and its own path in it."""
    store, path = store_of(address)
    return "/".join(filter(None, (name_of(store), path, *below)))


def describe_level(level: Level) -> str:
    """Return a level's name, and how large it is."""
    sides = " x ".join(f"{side:,}" for side in level.shape)
    size = size_of_level(level) / 1e9
    return f"{level.name}  ({sides} voxels of {level.dtype}, {size:,.2f} GB uncompressed)"
