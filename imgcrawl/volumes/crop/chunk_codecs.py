"""Codecs of Zarr that tensorstore lacks: chunks are decoded by numcodecs, and read as plain ones.

Only codecs of numbers are taken: those of objects run what they are given (pickle). Sources: the
specifications of Zarr 2 and 3, and numcodecs, whose codecs Zarr 3 knows as ``numcodecs.NAME``.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.extras import is_importable
from imgcrawl.records.outcomes import Outcome
from imgcrawl.volumes.metadata.packed import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX = "numcodecs."
_COMPRESSORS = frozenset({"lz4", "lzma", "zlib", "gzip", "bz2", "zstd", "blosc"})
_CHECKSUMS = frozenset({"crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"})
_FILTERS = frozenset(
    {"delta", "shuffle", "fixedscaleoffset", "quantize", "bitround", "astype", "packbits"}
)
_KNOWN = _COMPRESSORS | _CHECKSUMS | _FILTERS
# An LZ4 chunk of numcodecs, and a Blosc one, say how long they are unpacked: where.
_LENGTHS = {"lz4": slice(0, 4), "blosc": slice(4, 8)}


@dataclass(frozen=True, slots=True)
class ChunkCodecs:
    """How the chunks of an array become plain ones.

    configs:   of codecs as numcodecs has them, in the order in which a chunk was encoded
    size:      bytes of a whole plain chunk
    chunk:     voxels of a chunk, along the axes of the array
    separator: what joins the numbers in the names of chunks, and `prefix` what precedes them
    """

    configs: tuple[dict[str, Any], ...]
    size: int
    chunk: tuple[int, ...]
    separator: str = "."
    prefix: str = ""

    def name(self, place: tuple[int, ...]) -> str:
        """Return the name of the chunk in which a voxel lies."""
        cells = (at // side for at, side in zip(place, self.chunk, strict=True))
        return self.prefix + (self.separator.join(map(str, cells)) or "0")

    def decode(self, body: bytes, limit: int) -> bytes:
        """Return a plain chunk. limit: bytes that it has at most.

        Raises RecordMissing: corrupt, too_large.
        """
        import numpy as np  # noqa: PLC0415

        found: Any = body
        try:
            for config in reversed(self.configs):
                found = _decoded(config, found, limit)
            plain = found if isinstance(found, bytes) else np.asarray(found).tobytes()
        except RecordMissing:
            raise
        except Exception as error:
            # Each codec has errors of its own, and what it was given is a stranger's.
            words = f"a chunk cannot be decoded ({self.configs[-1]['id']}): {error}"
            raise RecordMissing(Outcome.CORRUPT, words[:300]) from error
        if len(plain) != self.size:
            words = f"a chunk has {len(plain):,} bytes once it is decoded, not {self.size:,}"
            raise RecordMissing(Outcome.CORRUPT, words)
        return plain


def _decoded(config: dict[str, Any], body: Any, limit: int) -> Any:
    """Return what a codec had encoded. Raises whatever the codec does, and RecordMissing."""
    from numcodecs import get_codec  # noqa: PLC0415 - few volumes need it

    name = config["id"]
    if name in _LENGTHS:
        told = int.from_bytes(bytes(body[_LENGTHS[name]]), "little")
        _require_room(told, limit)
    unpack = _UNPACK.get(name)
    if unpack is None:
        return get_codec(config).decode(body)
    found = unpack(config, bytes(body), limit + 1)
    _require_room(len(found), limit)
    return found


def _require_room(size: int, limit: int) -> None:
    if size > limit:
        raise RecordMissing(Outcome.TOO_LARGE, f"a chunk of {size:,} bytes, and more is a bomb")


def _unlzma(config: dict[str, Any], body: bytes, limit: int) -> bytes:
    form, filters = config.get("format", 1), config.get("filters")
    decoder = lzma.LZMADecompressor(form, filters=filters if form == lzma.FORMAT_RAW else None)
    return decoder.decompress(body, limit)


_UNPACK: dict[str, Callable[[dict[str, Any], bytes, int], bytes]] = {
    "lzma": _unlzma,
    "zlib": lambda _, body, limit: zlib.decompressobj().decompress(body, limit),
    "gzip": lambda _, body, limit: gzip.GzipFile(fileobj=BytesIO(body)).read(limit),
    "zstd": lambda _, body, limit: unpack(body, ".zstd", limit),
    "bz2": lambda _, body, limit: bz2.BZ2Decompressor().decompress(body, limit),
}


def known_n5(node: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an N5 array without what only its writer knows of its compression.

    zarr-python 2 writes the configuration of numcodecs beside N5's own ("checksum", "id"), which
    says how a chunk was made and not how it is read. Raises KeyError and TypeError.
    """
    about = {name: node[name] for name in ("dimensions", "blockSize", "dataType")}
    return about | {"compression": {"type": node["compression"]["type"]}}


def plain_array(driver: str, node: dict[str, Any]) -> tuple[dict[str, Any], ChunkCodecs] | None:
    """Return the document of an array as if it were plain, and how its chunks become so.

    driver: of tensorstore; node: .zarray or zarr.json, which tensorstore could not read
    None if a codec is not known here either. Raises KeyError, TypeError and ValueError for a
    document that is none.
    """
    if not is_importable("numcodecs"):
        return None
    if driver == "zarr":
        return _plain_v2(node)
    return _plain_v3(node) if driver == "zarr3" else None


def _plain_v2(node: dict[str, Any]) -> tuple[dict[str, Any], ChunkCodecs] | None:
    import numpy as np  # noqa: PLC0415

    configs = [*(node.get("filters") or ()), *filter(None, [node.get("compressor")])]
    if not all(config.get("id") in _KNOWN for config in configs):
        return None
    chunk = tuple(map(int, node["chunks"]))
    size = prod(chunk) * np.dtype(node["dtype"]).itemsize
    codecs = ChunkCodecs(tuple(configs), size, chunk, node.get("dimension_separator") or ".")
    return node | {"filters": None, "compressor": None}, codecs


def _plain_v3(node: dict[str, Any]) -> tuple[dict[str, Any], ChunkCodecs] | None:
    import numpy as np  # noqa: PLC0415

    listed = [each if isinstance(each, dict) else {"name": each} for each in node["codecs"]]
    middle = next((n for n, each in enumerate(listed) if each["name"] == "bytes"), None)
    if middle is None:
        return None
    before = [_config(each) for each in listed[:middle]]
    behind = [_config(each) for each in listed[middle + 1 :]]
    if None in before or None in behind:
        return None
    chunk = tuple(map(int, node["chunk_grid"]["configuration"]["chunk_shape"]))
    size = prod(chunk) * np.dtype(node["data_type"]).itemsize
    big = (listed[middle].get("configuration") or {}).get("endian") == "big"
    if big and before:
        return None  # the filters would have to know
    encoding = node.get("chunk_key_encoding") or {}
    style = encoding.get("name", "default")
    separator = (encoding.get("configuration") or {}).get("separator")
    separator = separator or ("." if style == "v2" else "/")
    configs = tuple(each for each in [*before, *behind] if each is not None)
    prefix = "" if style == "v2" else f"c{separator}"
    codecs = ChunkCodecs(configs, size, chunk, separator, prefix)
    return node | {"codecs": [listed[middle]]}, codecs


def _config(codec: dict[str, Any]) -> dict[str, Any] | None:
    """Return a codec of Zarr 3 as numcodecs has it, or None if it is not known here."""
    name, told = str(codec["name"]), codec.get("configuration") or {}
    known = name.removeprefix(_PREFIX)
    if known not in _KNOWN or not isinstance(told, dict):
        return None
    if name == known and known not in {"gzip", "zstd"}:
        return None  # of Zarr itself: tensorstore has it, and its configuration is another
    return {**told, "id": known}
