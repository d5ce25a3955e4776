"""Which volume a link of neuroglancer shows, and which of its levels is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.records.errors import ArgumentError, NoAnswerError, SourceError
from imgcrawl.sources.neuroglancer.follow import follow
from imgcrawl.sources.neuroglancer.left_out import layers_left_out, namesakes
from imgcrawl.sources.neuroglancer.link import RemoteState, images, pick_layer, read_link
from imgcrawl.sources.volume_store import VolumeStore
from imgcrawl.text.redact import printable
from imgcrawl.volumes.metadata.folders import name_of

if TYPE_CHECKING:
    from imgcrawl.records.items import NotFollowed
    from imgcrawl.records.volume import Level, VolumeAddress
    from imgcrawl.sources.neuroglancer.link import ViewerLayer, ViewerState
    from imgcrawl.sources.volume_store import CrawlFetcher

_SHOWN = 10
NO_LAYERS = "layers are those of a link, and this is the address of one volume"


@dataclass(frozen=True, slots=True)
class ShownVolume:
    """The volume of a layer; or one that is named without a link, whose `kind` is None.

    moved: the transformations that the layer is shown through, as text; "" for none
    left_out: what the link shows beside it and nobody chose
    """

    address: VolumeAddress
    name: str
    kind: str | None = None  # the layer's type; "" if the link does not say
    moved: str = ""
    left_out: tuple[NotFollowed, ...] = ()


async def find_volume(
    fetcher: CrawlFetcher, url: str, layer_name: str | None, *, is_paired: bool = False
) -> ShownVolume:
    """Return the volume that a link or an address means.

    layer_name: None for the first image that is shown
    is_paired:  the layer is one of several that belong together: its name must mean one volume
    Raises SourceError, and ArgumentError for a name of a pair that two volumes have.
    """
    store = VolumeStore(fetcher)
    if not url.startswith(("http://", "https://")):
        return _without_link(store, url, layer_name)
    state = read_link(url)
    if isinstance(state, RemoteState):
        found = await follow(fetcher, state)
        if found is None:  # neither a state nor a way to one: perhaps a volume
            return _without_link(store, url, layer_name)
        state = found
    if is_paired and layer_name is not None:
        _require_one(state, layer_name)
    shown = await _shown_volume(store, url, state, layer_name)
    layer = shown.layer
    left = layers_left_out(state, layer, fetcher.logger, is_chosen=layer_name is not None)
    if layer.moved:
        fetcher.logger.warning(
            "The layer %s is moved in the viewer: places are those of its volume", layer.name
        )
    name = layer.name or name_of(shown.address)
    return ShownVolume(shown.address, name, layer.kind, layer.moved, tuple(left))


def _require_one(state: ViewerState, name: str) -> None:
    """Raise ArgumentError if a link has several volumes of a name."""
    same = namesakes(state, name)
    if len(same) > 1:
        sources = "\n".join(f"  {printable(layer.sources[0])}" for layer in same[:_SHOWN])
        raise ArgumentError(
            f"layers={name}: the link has {len(same)} layers of this name, and cubes of several "
            f"layers must know which:\n{sources}\nType a link in which each has a name of its own."
        )


@dataclass(frozen=True, slots=True)
class _ReadableLayer:
    layer: ViewerLayer
    address: VolumeAddress


async def _shown_volume(
    store: VolumeStore, url: str, state: ViewerState, layer_name: str | None
) -> _ReadableLayer:
    """Return the layer that is meant: of that name, or the first image whose address can be read.

    Of layers without a type, one whose volume is an image comes first. Raises SourceError.
    """
    try:
        first = pick_layer(state, layer_name)
    except ValueError as error:
        raise SourceError(f"{url[:100]}: {error}") from error
    candidates = [first] if layer_name is not None else images(state)
    found: list[_ReadableLayer] = []
    problem: SourceError | None = None
    for layer in candidates:
        try:
            # A source is a stranger's word: it may not lead into this computer.
            address = store.address(layer.sources[0], local=False)
        except SourceError as error:
            problem = problem or SourceError(f"The layer {layer.name}: {error}")
            continue
        if layer.kind or len(candidates) == 1 or await _is_image(store, address):
            return _ReadableLayer(layer, address)
        found.append(_ReadableLayer(layer, address))
    if found:
        return found[0]
    assert problem is not None
    raise problem


async def _is_image(store: VolumeStore, address: VolumeAddress) -> bool:
    """Return whether the volume at an address can be read, and is no segmentation."""
    try:
        return not (await store.open(address)).is_segmentation
    except NoAnswerError:
        raise
    except SourceError:
        return False


def _without_link(store: VolumeStore, url: str, layer_name: str | None) -> ShownVolume:
    if layer_name is not None:
        raise SourceError(f"{NO_LAYERS}: {url[:100]} is no link to a view.")
    address = store.address(url)
    return ShownVolume(address, name_of(address))


def pick_level(levels: tuple[Level, ...], mip: int | None, resolution: str | None) -> Level:
    """Return the level of a number, 0 being the finest, or that of a size of voxels.

    resolution: nm along x, or z,y,x; in place of mip
    Raises SourceError, with the levels that there are.
    """
    if resolution is None:
        mip = mip or 0
        if mip < len(levels):
            return levels[mip]
        raise SourceError(f"mip={mip}: there are {len(levels)} levels:\n{_format_levels(levels)}")
    wanted = [float(nm) for nm in resolution.split(",")]
    for level in levels:
        if _is_close(level.voxel_nm[-len(wanted) :], wanted):
            return level
    words = f"resolution={resolution}: no level has such voxels:\n{_format_levels(levels)}"
    raise SourceError(words)


def _is_close(sizes: tuple[float | None, ...], wanted: list[float]) -> bool:
    pairs = zip(sizes, wanted, strict=True)
    return all(nm is not None and abs(nm - asked) <= 1e-3 * asked for nm, asked in pairs)


def _format_levels(levels: tuple[Level, ...]) -> str:
    lines = []
    for mip, level in enumerate(levels):
        nm = ",".join("?" if step is None else f"{step:g}" for step in level.voxel_nm)
        sides = " x ".join(f"{side:,}" for side in level.shape)
        lines.append(f"  -a mip={mip}  ({level.name}: {nm} nm, {sides} voxels)")
    return "\n".join(lines)
