"""Neuroglancer's precomputed volumes: the document called info.

Source: src/datasource/precomputed/volume.md of neuroglancer. Its sizes count x, y, z.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.units import nanometres
from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import Level, Multiscale
from imgcrawl.text.redact import printable
from imgcrawl.volumes.metadata.folders import beside
from imgcrawl.volumes.metadata.levels import check_sizes

if TYPE_CHECKING:
    from imgcrawl.records.volume import VolumeAddress, Zyx

_TYPES = frozenset(
    {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {"float32"}
)
_MAX_PARTS = 16  # of a scale's key
_MAX_SCALES = 64
_MAX_OFFSET = 1 << 40
_VOLUME = "neuroglancer_multiscale_volume"


def read_info(info: dict[str, Any], address: VolumeAddress, sha256: str) -> Multiscale:
    """Return the volume that an info document describes. Raises SourceError."""
    where = address.shown
    kind = info.get("@type", _VOLUME)
    if kind != _VOLUME:
        raise SourceError(f"{where} is no volume, but {printable(str(kind), 60)}.")
    scales = info.get("scales")
    if not isinstance(scales, list) or not 0 < len(scales) <= _MAX_SCALES:
        raise SourceError(f"{where}/info has no scales.")
    dtype, channels = info.get("data_type"), info.get("num_channels", 1)
    if (
        not isinstance(dtype, str)
        or dtype not in _TYPES
        or type(channels) is not int
        or not 0 < channels <= 1 << 16
    ):
        words = printable(f"{dtype!r} in {channels!r} channels", 80)
        raise SourceError(f"{where} has voxels that cannot be read here: {words}.")
    levels = [
        _level(scale, number, address, dtype=dtype, channels=channels, sha256=sha256)
        for number, scale in enumerate(scales)
    ]
    return Multiscale(address, "precomputed", tuple(levels), info.get("type") == "segmentation")


def scale_at(
    info: dict[str, Any], volume: VolumeAddress, there: VolumeAddress
) -> dict[str, Any] | None:
    """Return what the info of a volume says of the scale in a folder, or None."""
    scales = info.get("scales")
    for scale in scales if isinstance(scales, list) else ():
        key = scale.get("key") if isinstance(scale, dict) else None
        if isinstance(key, str) and _is_key(key):
            with suppress(ValueError):
                if beside(volume, key).url == there.url:
                    return dict(scale)
    return None


def _is_key(key: str) -> bool:
    """Return whether a key leads to a folder of the store."""
    parts = key.split("/")
    return bool(key) and len(parts) <= _MAX_PARTS and all(map(_is_name, parts))


def _is_name(part: str) -> bool:
    return part not in {"", "."} and part.isprintable() and "\\" not in part


def _level(
    scale: object, number: int, address: VolumeAddress, *, dtype: str, channels: int, sha256: str
) -> Level:
    properties = scale if isinstance(scale, dict) else {}
    where = f"{address.shown}, scale {number}"
    key = properties.get("key")
    if not isinstance(key, str) or not _is_key(key):
        raise SourceError(f"{where} has a key that is none: {printable(str(key), 80)!r}.")
    try:
        beside(address, key)
    except ValueError as error:
        raise SourceError(f"{where}: {error}.") from error
    chunks = properties.get("chunk_sizes")
    chunk = _three(chunks[0] if isinstance(chunks, list) and chunks else None, 1, where)
    shape = _three(properties.get("size"), 1, where)
    check_sizes(where, (*shape, channels), (*chunk, channels))
    offset = properties.get("voxel_offset", [0, 0, 0])
    resolution = properties.get("resolution")
    steps = resolution if isinstance(resolution, list) and len(resolution) == 3 else [None] * 3
    x, y, z = (nanometres(step, "nm") for step in steps)
    encoding = properties.get("encoding")
    return Level(
        name=key,
        address=address,
        driver="neuroglancer_precomputed",
        axes=("x", "y", "z", "channel"),
        shape=shape,
        dtype=dtype,
        chunk=chunk,
        sha256=sha256,
        scale=number,
        offset=_three(offset, -_MAX_OFFSET, where),
        channels=channels,
        voxel_nm=(z, y, x),
        # Origins count the offset in, so that voxel 0 is where nothing is shifted.
        translation_nm=(0.0 if z else None, 0.0 if y else None, 0.0 if x else None),
        encoding=printable(encoding, 40) if isinstance(encoding, str) else "",
    )


def _three(value: object, least: int, where: str) -> Zyx:
    """Return x, y, z of a document as z, y, x."""
    numbers = [n for n in value if type(n) is int] if isinstance(value, list) else []
    if len(numbers) != 3 or min(numbers) < least or max(numbers) > _MAX_OFFSET:
        raise SourceError(f"{where}: {printable(str(value), 80)} are no three numbers of voxels.")
    x, y, z = numbers
    return z, y, x
