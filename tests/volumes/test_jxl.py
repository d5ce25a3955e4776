"""JPEG XL of precomputed volumes, written by cloud-volume and imagecodecs, and hostile ones."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tensorstore as ts
from cloudvolume import CloudVolume
from cloudvolume.datasource.precomputed.common import compressed_morton_code
from cloudvolume.lib import Vec
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.extras import EXTRAS
from imgcrawl.records.outcomes import Outcome
from imgcrawl.volumes.crop.jxl import decode_jxl, image_size
from imgcrawl.volumes.crop.read_errors import UnknownEncodingError
from tests.conftest import Crawler
from tests.volumes import stores

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (70, 50, 60)  # x, y, z: the last chunk of each axis is cut
CHUNK = (32, 32, 16)
OFFSET = (5, 0, -3)
VOXELS = np.random.default_rng(5).integers(0, 255, SHAPE, np.uint8)
SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "minishard_bits": 1,
    "shard_bits": 2,
    "hash": "identity",
    "minishard_index_encoding": "gzip",
    "data_encoding": "raw",
}


def made(folder: Path, encoding: str = "jxl") -> CloudVolume:
    info = CloudVolume.create_new_info(
        1, "image", "uint8", encoding, [4, 4, 40], OFFSET, SHAPE, chunk_size=CHUNK
    )
    volume = CloudVolume(f"file://{folder}", info=info, progress=False)
    volume.commit_info()
    return volume


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jxl") / "vol"
    made(folder)[:, :, :] = VOXELS[..., None]
    return folder


def crop(tmp_path: Path, folder: Path, **args: Any) -> tuple[Any, dict[str, str]]:
    ended = Crawler(tmp_path, None)("zarr", url=str(folder), format="npy", **args)
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    return np.load(ended.out.root / row["file_name"]), row


def test_what_cloud_volume_writes(tmp_path: Path, plain: Path) -> None:
    theirs = CloudVolume(f"file://{plain}", progress=False)[:, :, :][..., 0]
    voxels, row = crop(tmp_path, plain)
    assert np.array_equal(voxels.T, theirs)
    assert np.abs(voxels.T.astype(int) - VOXELS).mean() < 10  # it is lossy, and this is noise
    assert (row["chunks_present"], row["chunks_missing"]) == ("24", "0")
    (plain / "4_4_40/37-69_32-50_-3-13").rename(tmp_path / "away")
    try:
        part, row = crop(tmp_path, plain, box="-3:20,30:50,30:75", out="part")
    finally:
        shutil.move(tmp_path / "away", plain / "4_4_40/37-69_32-50_-3-13")
    wanted = theirs[25:70, 30:50, 0:23].T.copy()
    wanted[:16, 2:, 7:39] = 0
    assert np.array_equal(part, wanted)
    assert row["chunks_missing"] == "1"


def test_shards(tmp_path: Path, plain: Path) -> None:
    folder = tmp_path / "sharded"
    volume = made(folder)
    info = json.loads((folder / "info").read_text())
    info["scales"][0]["sharding"] = SHARDING
    (folder / "info").write_text(json.dumps(info))
    store = ts.KvStore.open(
        {
            "driver": "neuroglancer_uint64_sharded",
            "base": {"driver": "file", "path": f"{folder}/4_4_40/"},
            "metadata": SHARDING,
        }
    ).result()
    del volume
    theirs = CloudVolume(f"file://{folder}", progress=False)
    counts = Vec(3, 2, 4)
    with ts.Transaction() as transaction:
        for path in (plain / "4_4_40").iterdir():
            low = [int(bounds.rpartition("-")[0]) for bounds in path.name.split("_")]
            cell = [(a - o) // c for a, o, c in zip(low, OFFSET, CHUNK, strict=True)]
            key = int(compressed_morton_code(np.array([cell]), counts)[0])
            store.with_transaction(transaction)[key.to_bytes(8, "big")] = path.read_bytes()
    voxels, row = crop(tmp_path, folder)
    assert np.array_equal(voxels.T, theirs[:, :, :][..., 0])
    assert np.array_equal(voxels, crop(tmp_path, plain, out="plain")[0])
    assert row["chunks_present"] == "24"


def test_a_dry_run_reads_one_and_a_damaged_one_is_missing(tmp_path: Path, plain: Path) -> None:
    alone = Crawler(tmp_path, None)
    dry = alone("zarr", url=str(plain), box="-3:20,30:50,30:75", dry_run=1)
    assert dry.status == 0, dry.log
    assert "A chunk of 4_4_40 was read" in dry.log
    folder = tmp_path / "damaged"
    shutil.copytree(plain, folder)
    for path in (folder / "4_4_40").iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    ended = alone("zarr", url=str(folder), format="npy", out="damaged-out")
    assert ended.status == 3
    assert set(ended.out.failures().values()) <= {"corrupt", "truncated"}
    (failure,) = ended.out.rows("failures.csv")
    assert "jxl" in failure["message"]


@pytest.mark.parametrize("sides", [(64, 16), (7, 300), (1, 1), (512, 1024), (4096, 64), (300, 200)])
@pytest.mark.parametrize("container", [False, True])
def test_the_size_of_an_image(sides: tuple[int, int], container: bool) -> None:
    image = np.zeros(sides, np.uint8)
    body = bytes(imagecodecs.jpegxl_encode(image, lossless=True, usecontainer=container))
    assert image_size(body) == sides[::-1]


def test_three_channels_and_other_types() -> None:
    colours = np.random.default_rng(1).integers(0, 255, (4, 5, 6, 3), np.uint8)  # z, y, x, c
    body = bytes(imagecodecs.jpegxl_encode(colours.reshape(20, 6, 3), lossless=True))
    raw = decode_jxl(body, (4, 5, 6), 3, "uint8")
    assert raw == colours.transpose(3, 0, 1, 2).tobytes()
    deep = np.random.default_rng(1).integers(0, 60000, (4, 5, 6), np.uint16)
    body = bytes(imagecodecs.jpegxl_encode(deep.reshape(20, 6), lossless=True))
    assert decode_jxl(body, (4, 5, 6), 1, "uint16") == deep.tobytes()
    for shape, channels, dtype in (((4, 5, 6), 1, "uint8"), ((4, 5, 7), 1, "uint16")):
        with pytest.raises(RecordMissing) as refused:
            decode_jxl(body, shape, channels, dtype)
        assert refused.value.outcome is Outcome.CORRUPT


BODY = bytes(
    imagecodecs.jpegxl_encode(np.arange(120, dtype=np.uint8).reshape(20, 6), lossless=True)
)


@settings(deadline=None, max_examples=150)
@given(st.one_of(st.binary(max_size=60), st.binary(max_size=40).map(lambda end: BODY[:9] + end)))
def test_hostile_bytes_are_refused_in_words(body: bytes) -> None:
    try:
        found = decode_jxl(body, (4, 5, 6), 1, "uint8")
    except RecordMissing as error:
        found = error.message.encode()
    assert len(found) == 120 or b"(jxl)" in found


@pytest.mark.parametrize("encoding", ["fpzip", "kempressed", "zfpc", "compresso", "crackle"])
def test_what_is_not_decoded_here_is_said_before_the_first_cube(
    tmp_path: Path, encoding: str
) -> None:
    folder = tmp_path / encoding
    made(folder, "raw")[:, :, :] = VOXELS[..., None]
    info = json.loads((folder / "info").read_text())
    info["scales"][0]["encoding"] = encoding
    (folder / "info").write_text(json.dumps(info))
    alone = Crawler(tmp_path, None)
    dry = alone("zarr", url=str(folder), size="8,8,8", dry_run=1)
    assert dry.status in {2, 3}
    assert f'"{encoding}"' in dry.log
    real = alone("zarr", url=str(folder), size="8,8,8")
    assert real.status == 3
    assert f'"{encoding}"' in real.out.rows("failures.csv")[0]["message"]


def test_without_its_extra_the_message_says_what_to_type(
    tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRAS, "jxl", ("JPEG XL needs", "no_package_of_that_name"))
    about: dict[str, Any] = {"shape": SHAPE[::-1], "chunk": CHUNK[::-1], "offset": OFFSET[::-1]}
    level = stores.level(f"file://{plain}/", "neuroglancer_precomputed", "xyzC", scale=0, **about)
    with pytest.raises(UnknownEncodingError, match=r"pip install 'imgcrawl\[jxl\]'"):
        stores.read(stores.crop(level, (0, 0, 8), (4, 4, 4)), tmp_path / "raw")
