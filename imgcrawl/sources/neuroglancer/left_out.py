"""What a link shows and is not taken: other layers, those of the same name, other sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.records.items import NotFollowed
from imgcrawl.sources.neuroglancer.link import volumes
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from logging import Logger, LoggerAdapter

    from imgcrawl.sources.neuroglancer.link import ViewerLayer, ViewerState

OTHER_LAYER = "another layer of the link: type its name as layer"
SAME_NAME = "another layer of the same name: type its address as url"
OTHER_SOURCE = "another source of the layer: type its address as url"

_SHOWN = 10


def layers_left_out(
    state: ViewerState, taken: ViewerLayer, logger: LoggerAdapter[Logger], *, is_chosen: bool
) -> list[NotFollowed]:
    """Return what a link shows beside the layer that is taken, after a warning of each kind.

    is_chosen: whether the user named the layer; layers of other names are then not meant
    """
    others = [layer for layer in volumes(state) if not _is_same(layer, taken)]
    same = [layer for layer in others if layer.name == taken.name]
    more = [] if is_chosen else [layer for layer in others if layer.name != taken.name]
    name = printable(taken.name, 80)
    if more:
        told = [f"{printable(each.name, 80)} ({each.kind or 'no type'})" for each in more]
        logger.warning(
            "The link shows more than %s: %s. Choose with -a layer=NAME", name, _some(told)
        )
    if same:
        logger.warning(
            "The link has %d layers called %s, of which the one of %s is taken. "
            "For another type -a url=ADDRESS without layer: %s",
            len(same) + 1,
            name,
            printable(taken.sources[0]),
            _some([printable(layer.sources[0]) for layer in same]),
        )
    if len(taken.sources) > 1:
        logger.warning(
            "The layer %s has %d sources, of which the first is taken. "
            "For another type -a url=ADDRESS without layer: %s",
            name,
            len(taken.sources),
            _some([printable(source) for source in taken.sources[1:]]),
        )
    return [
        *(NotFollowed(layer.sources[0], OTHER_LAYER) for layer in more),
        *(NotFollowed(layer.sources[0], SAME_NAME) for layer in same),
        *(NotFollowed(source, OTHER_SOURCE) for source in taken.sources[1:]),
    ]


def namesakes(state: ViewerState, name: str) -> list[ViewerLayer]:
    """Return the different volumes that a link shows under one name."""
    found: list[ViewerLayer] = []
    for layer in volumes(state):
        if layer.name == name and not any(_is_same(layer, other) for other in found):
            found.append(layer)
    return found


def _is_same(layer: ViewerLayer, other: ViewerLayer) -> bool:
    """Return whether two layers show the same volumes at the same place."""
    return (layer.sources, layer.moved) == (other.sources, other.moved)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
