"""Codecs of Zarr that tensorstore lacks: written by zarr-python and numcodecs themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest
import zarr

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.volume import Chunks
from imgcrawl.volumes.crop.chunk_codecs import ChunkCodecs, plain_array
from imgcrawl.volumes.crop.read_errors import UnknownEncodingError
from tests.volumes import stores

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (9, 20, 14)
VOXELS = np.random.default_rng(3).integers(0, 4000, SHAPE).astype("<u2")


def read(folder: Path, driver: str, tmp_path: Path, dtype: str = "uint16") -> tuple[Any, Chunks]:
    level = stores.level(
        f"file://{folder}/", driver, "zyx", shape=SHAPE, dtype=dtype, chunk=(4, 8, 8)
    )
    raw, voxels = stores.read(stores.crop(level, (1, 2, 0), (7, 15, 14)), tmp_path / "raw")
    return voxels[0], raw.chunks


WANTED = VOXELS[1:8, 2:17, 0:14]


@pytest.mark.parametrize(
    ("filters", "compressor"),
    [
        ([], numcodecs.LZ4()),
        ([], numcodecs.LZMA()),
        ([numcodecs.Delta("<u2")], numcodecs.Blosc("zstd")),
        ([numcodecs.Shuffle(2)], numcodecs.Zlib(1)),
        ([numcodecs.Delta("<u2"), numcodecs.Shuffle(2)], numcodecs.LZ4()),
        ([numcodecs.FixedScaleOffset(100, 1, "<u2", "<i4")], None),
    ],
    ids=str,
)
def test_what_zarr_python_writes_into_zarr_2(
    tmp_path: Path, filters: list[Any], compressor: Any
) -> None:
    folder = tmp_path / "a.zarr"
    array = zarr.create_array(
        folder,
        shape=SHAPE,
        chunks=(4, 8, 8),
        dtype="<u2",
        zarr_format=2,
        filters=filters,
        compressors=compressor,
        order="F" if filters else "C",
    )
    array[:] = VOXELS
    (folder / "1.1.1").unlink()  # absent, and so the fill value
    voxels, chunks = read(folder, "zarr", tmp_path)
    wanted = np.array(VOXELS)
    wanted[4:8, 8:16, 8:16] = 0
    assert np.array_equal(voxels, wanted[1:8, 2:17, 0:14])
    assert chunks == Chunks(present=11, missing=1)


@pytest.mark.parametrize(
    ("filters", "compressors"),
    [
        ([], [{"name": "numcodecs.lz4", "configuration": {}}]),
        (
            [{"name": "numcodecs.delta", "configuration": {"dtype": "<u2"}}],
            [{"name": "numcodecs.zlib", "configuration": {"level": 1}}],
        ),
        ([], [{"name": "numcodecs.shuffle", "configuration": {"elementsize": 2}}, "gzip"]),
    ],
    ids=["lz4", "delta", "shuffle"],
)
def test_codecs_of_zarr_3_that_begin_with_numcodecs(
    tmp_path: Path, filters: list[Any], compressors: list[Any]
) -> None:
    folder = tmp_path / "a.zarr"
    gzip = {"name": "gzip", "configuration": {"level": 1}}
    listed: list[Any] = [gzip if each == "gzip" else each for each in compressors]
    array = zarr.create_array(
        folder,
        shape=SHAPE,
        chunks=(4, 8, 8),
        dtype="uint16",
        zarr_format=3,
        filters=filters,
        compressors=listed,
    )
    array[:] = VOXELS
    voxels, chunks = read(folder, "zarr3", tmp_path)
    assert np.array_equal(voxels, WANTED)
    assert chunks == Chunks(present=12)


def test_n5_whose_writer_left_a_note_in_the_compression(tmp_path: Path) -> None:
    """zarr-python 2 leaves numcodecs' configuration of zstd there."""
    spec: dict[str, Any] = {
        "driver": "n5",
        "metadata": {"dimensions": SHAPE[::-1], "blockSize": [8, 8, 4]},
    }
    spec["metadata"] |= {"dataType": "uint16", "compression": {"type": "zstd", "level": 1}}
    stores.write(tmp_path / "a.n5", spec, VOXELS.T)
    document = tmp_path / "a.n5/attributes.json"
    node = json.loads(document.read_text())
    node["compression"] |= {"checksum": False, "id": "zstd"}
    document.write_text(json.dumps(node))
    level = stores.level(
        f"file://{tmp_path / 'a.n5'}/", "n5", "xyz", shape=SHAPE, dtype="uint16", chunk=(4, 8, 8)
    )
    _, voxels = stores.read(stores.crop(level, (1, 2, 0), (7, 15, 14)), tmp_path / "raw")
    assert np.array_equal(voxels[0], WANTED)


def made(folder: Path, document: dict[str, Any], name: str) -> Path:
    folder.mkdir()
    (folder / name).write_text(json.dumps(document))
    return folder


V2: dict[str, Any] = {
    "zarr_format": 2,
    "shape": SHAPE,
    "chunks": [4, 8, 8],
    "dtype": "<u2",
    "fill_value": 0,
    "order": "C",
    "filters": None,
}


@pytest.mark.parametrize(
    ("compressor", "word"),
    [({"id": "pcodec"}, "pcodec"), ({"id": "pickle"}, "pickle"), ({"id": "acme"}, "acme")],
)
def test_what_is_not_known_is_refused_by_its_name(
    tmp_path: Path, compressor: dict[str, Any], word: str
) -> None:
    folder = made(tmp_path / "a.zarr", V2 | {"compressor": compressor}, ".zarray")
    with pytest.raises(UnknownEncodingError, match=f'"{word}" is not registered'):
        read(folder, "zarr", tmp_path)


def test_codecs_of_objects_run_nothing() -> None:
    for name in ("pickle", "json2", "msgpack2", "vlen-utf8", "vlen-array"):
        assert plain_array("zarr", V2 | {"filters": [{"id": name}], "compressor": None}) is None


def lz4(body: bytes) -> bytes:
    return bytes(numcodecs.LZ4().encode(body))


@pytest.mark.parametrize(
    ("config", "body", "outcome"),
    [
        ({"id": "lz4"}, b"\xff\xff\xff\x7f" + lz4(b"a")[4:], Outcome.TOO_LARGE),
        ({"id": "lzma"}, bytes(numcodecs.LZMA().encode(bytes(1 << 20))), Outcome.TOO_LARGE),
        ({"id": "zlib"}, bytes(numcodecs.Zlib().encode(bytes(1 << 20))), Outcome.TOO_LARGE),
        ({"id": "lz4"}, lz4(bytes(64))[:-3], Outcome.CORRUPT),
        ({"id": "lz4"}, lz4(bytes(63)), Outcome.CORRUPT),
        ({"id": "zlib"}, b"<html>", Outcome.CORRUPT),
        ({"id": "blosc"}, b"", Outcome.CORRUPT),
        ({"id": "zstd"}, b"\x28\xb5\x2f\xfd", Outcome.TRUNCATED),
    ],
    ids=str,
)
def test_hostile_chunks_have_a_reason(
    config: dict[str, Any], body: bytes, outcome: Outcome
) -> None:
    codecs = ChunkCodecs((config,), 64, (4, 4, 4))
    with pytest.raises(RecordMissing) as caught:
        codecs.decode(body, 1 << 16)
    assert caught.value.outcome is outcome
