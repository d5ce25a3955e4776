"""Chunks of precomputed volumes that are JPEG XL images, which tensorstore does not decode.

Sources: src/datasource/precomputed/volume.md of neuroglancer (a chunk is an image of as many
pixels, x fastest, then y, then z); ISO/IEC 18181-1, SizeHeader, and 18181-2, the boxes of a
container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.records.volume import Zyx

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_MAX_BOXES = 16  # before the image
_BITS = (9, 13, 18, 30)  # of a side, by its selector
_RATIOS = ((1, 1), (6, 5), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def decode_jxl(body: bytes, shape: Zyx, channels: int, dtype: str) -> bytes:
    """Return the voxels of a chunk as one that is raw: x fastest, then y, z and channel.

    shape: z, y, x, and dtype: numpy's name; an image of any other size is not decoded
    Raises RecordMissing (corrupt).
    """
    import numpy as np  # noqa: PLC0415
    from imagecodecs import jpegxl_decode  # noqa: PLC0415 - few volumes need it

    width, height = image_size(body)
    voxels = shape[0] * shape[1] * shape[2]
    if width * height != voxels:
        raise _corrupt(f"an image of {width:,} x {height:,} for {voxels:,} voxels")
    sides = (height, width) if channels == 1 else (height, width, channels)
    # Of another type or of more channels it is not decoded: there is room for these alone.
    image = np.empty(sides, np.dtype(dtype))
    try:
        jpegxl_decode(body, index=0, numthreads=1, out=image)
    except Exception as error:
        # The library has errors of its own, and what it was given is a stranger's.
        raise _corrupt(f"{error}"[:200]) from error
    return image.reshape(-1, channels).T.astype(image.dtype.newbyteorder("<")).tobytes()


def image_size(body: bytes) -> tuple[int, int]:
    """Return width and height of an image, in pixels. Raises RecordMissing (corrupt)."""
    codestream = _codestream(body)
    if not codestream.startswith(_CODESTREAM):
        raise _corrupt("no JPEG XL image")
    bits, at = int.from_bytes(codestream[2:16], "little"), 0

    def take(count: int) -> int:
        nonlocal at
        found = bits >> at & ((1 << count) - 1)
        at += count
        return found

    is_small = take(1)

    def side() -> int:
        return (take(5) + 1) * 8 if is_small else take(_BITS[take(2)]) + 1

    height = side()
    if not (ratio := take(3)):
        return side(), height
    over, under = _RATIOS[ratio - 1]
    return height * over // under, height


def _codestream(body: bytes) -> bytes:
    """Return what the image itself begins with; a container is a row of boxes."""
    if not body.startswith(_CONTAINER):
        return body[:16]
    at = len(_CONTAINER)
    for _ in range(_MAX_BOXES):
        length, kind = int.from_bytes(body[at : at + 4], "big"), body[at + 4 : at + 8]
        head = 8
        if length == 1:
            length, head = int.from_bytes(body[at + 8 : at + 16], "big"), 16
        if kind == b"jxlc":
            return body[at + head : at + head + 16]
        if kind == b"jxlp":  # a part, behind its number
            return body[at + head + 4 : at + head + 20]
        if length < head:
            break
        at += length
    return b""


def _corrupt(words: str) -> RecordMissing:
    return RecordMissing(Outcome.CORRUPT, f"a chunk cannot be decoded (jxl): {words}")


def plain_scale(info: Any, number: int) -> tuple[dict[str, Any], dict[str, Any] | None] | None:
    """Return the spec of a scale as if its chunks were raw, and its sharding, if it has one.

    info: of the volume; the spec is tensorstore's, without a store
    None if it is not in JPEG XL. Raises KeyError, TypeError and ValueError for one that is none.
    """
    scale = info["scales"][number]
    if scale["encoding"] != "jxl":
        return None
    channels = int(info.get("num_channels", 1))
    told = {name: scale[name] for name in ("size", "resolution") if name in scale}
    told["chunk_size"] = scale["chunk_sizes"][0]
    told["voxel_offset"] = scale.get("voxel_offset", [0, 0, 0])
    volume = {"type": "image", "data_type": str(info["data_type"]), "num_channels": channels}
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": "memory://",
        "multiscale_metadata": volume,
        "scale_metadata": told | {"encoding": "raw", "key": "scale"},
        "fill_missing_data_reads": False,
    }
    return spec, scale.get("sharding")


def shard_key(cell: tuple[int, ...], counts: tuple[int, ...]) -> bytes:
    """Return the key of a chunk in its shards: its compressed Morton code, as tensorstore has it.

    cell: number of the chunk along x, y, z, and counts: how many there are
    """
    code = place = 0
    for bit in range(64):
        for at, count in zip(cell, counts, strict=True):
            if (count - 1) >> bit:
                code |= (at >> bit & 1) << place
                place += 1
    return code.to_bytes(8, "big")
