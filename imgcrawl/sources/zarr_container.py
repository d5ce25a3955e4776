"""Copies of what lies within a ZIP or an OCDBT database: of the file or the folder as a whole.

A part of either is nothing that opens by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import FileItem
from imgcrawl.records.volume import VolumeAddress
from imgcrawl.sources.zarr import copy_folder, copy_item
from imgcrawl.volumes.metadata.local_folder import folder_of

if TYPE_CHECKING:
    from imgcrawl.records.items import Item
    from imgcrawl.volumes.metadata.folders import InnerPlace


def container_copy(asked: VolumeAddress, place: InnerPlace) -> Item:
    """Return the record of a copy of all that a container holds.

    asked: the address within it. Raises SourceError for a ZIP of this computer.
    """
    shown = asked.shown.partition("|")[0]
    if place.adapter == "ocdbt":
        database = VolumeAddress(shown, f"{place.base}/")
        return copy_item(database, copy_folder(database))
    if folder_of(place.base) is not None:
        raise SourceError(f"{shown} is one file of this computer: copy that (cp).")
    name = unquote(place.base.rpartition("/")[2])
    return FileItem(name, [place.base], name)
