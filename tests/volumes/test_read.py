"""Boxes of volumes, voxel for voxel what was stored, whatever the format and its axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from imgcrawl.volumes.crop import read as reading
from tests.download import harness
from tests.volumes import stores
from tests.volumes.stores import crop, level, read, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scrapy.crawler import Crawler

    from imgcrawl.records.volume import Raw

SHAPE = (37, 41, 53)  # z, y, x
ORIGIN, BOX = (3, 10, 17), (30, 25, 33)
WHERE = tuple(slice(a, a + n) for a, n in zip(ORIGIN, BOX, strict=True))
RANDOM = np.random.default_rng(5)
VOXELS = RANDOM.integers(0, 255, SHAPE).astype(np.uint8)
SMOOTH = (np.indices(SHAPE).sum(0) * 2 % 250).astype(np.uint8)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[stores.Store]:
    with serving(tmp_path) as served:
        yield served


@pytest.mark.parametrize("separator", ["/", "."])
@pytest.mark.parametrize("order", ["C", "F"])
def test_zarr_2(store: stores.Store, tmp_path: Path, separator: str, order: str) -> None:
    spec = stores.v2(SHAPE, (16, 16, 16), ">u2", dimension_separator=separator, order=order)
    voxels = VOXELS.astype(np.uint16) * 257
    stores.write(tmp_path / "a", spec, voxels)
    wanted = crop(level(f"{store.url}a/", "zarr", "zyx", dtype="uint16"), ORIGIN, BOX)
    raw, found = read(wanted, tmp_path / "raw")
    np.testing.assert_array_equal(found, voxels[WHERE][None])
    assert (raw.chunks.present, raw.chunks.missing, raw.dtype) == (3 * 3 * 3, 0, "uint16")
    assert store.most() == 1
    assert not (tmp_path / "raw.blocks").exists()


@pytest.mark.parametrize("shard", [(16, 16, 16), (32, 32, 32)])
def test_zarr_3_sharded_and_not(
    store: stores.Store, tmp_path: Path, shard: tuple[int, ...]
) -> None:
    import zarr

    voxels = VOXELS.astype(np.uint16) * 3
    stores.write(tmp_path / "a", stores.v3(SHAPE, (16, 16, 16), shard), voxels)
    wanted = crop(level(f"{store.url}a/", "zarr3", "zyx", dtype="uint16"), ORIGIN, BOX)
    raw, found = read(wanted, tmp_path / "raw")
    peer = zarr.open_array(str(tmp_path / "a"), mode="r")
    np.testing.assert_array_equal(found[0], peer[WHERE])
    assert raw.chunks.present == 27


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_channels_are_kept_and_a_time_is_chosen(
    store: stores.Store, tmp_path: Path, zarr_format: Any
) -> None:
    import zarr

    voxels = RANDOM.integers(0, 9999, (3, 2, *SHAPE)).astype(np.int16)
    chunks = (2, 1, 16, 16, 16)
    zarr.create_array(str(tmp_path / "a"), data=voxels, chunks=chunks, zarr_format=zarr_format)
    driver = "zarr" if zarr_format == 2 else "zarr3"
    about = level(f"{store.url}a/", driver, "tczyx", dtype="int16", channels=2, times=3)
    raw, found = read(crop(about, ORIGIN, BOX, time=2), tmp_path / "raw", start=100)
    np.testing.assert_array_equal(found, voxels[2][(slice(None), *WHERE)])
    assert raw.shape == (2, *BOX)
    assert raw.chunks.present == 2 * 27


def test_n5_counts_from_x(store: stores.Store, tmp_path: Path) -> None:
    spec = {
        "driver": "n5",
        "metadata": {
            "dimensions": SHAPE[::-1],
            "blockSize": (16, 16, 16),
            "dataType": "uint8",
            "compression": {"type": "gzip"},
        },
    }
    stores.write(tmp_path / "a", spec, VOXELS.T)
    _, found = read(crop(level(f"{store.url}a/", "n5", "xyz"), ORIGIN, BOX), tmp_path / "raw")
    np.testing.assert_array_equal(found[0], VOXELS[WHERE])


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("encoding", ["raw", "jpeg", "png", "compressed_segmentation"])
def test_precomputed_is_what_cloud_volume_reads(
    store: stores.Store, tmp_path: Path, encoding: str, sharded: bool
) -> None:
    from cloudvolume import CloudVolume

    dtype = "uint32" if encoding == "compressed_segmentation" else "uint8"
    voxels = SMOOTH if encoding == "jpeg" else VOXELS // 16
    spec = stores.precomputed((*SHAPE[::-1], 1), encoding, dtype=dtype, sharded=sharded)
    stores.write(tmp_path / "a", spec, voxels.astype(dtype).T[..., None])
    about = level(
        f"{store.url}a/", "neuroglancer_precomputed", "xyzC", dtype=dtype, offset=(7, 6, 5), scale=0
    )
    origin = (3 + 7, 10 + 6, 17 + 5)
    raw, found = read(crop(about, origin, BOX), tmp_path / "raw")
    z, y, x = (slice(a, a + n) for a, n in zip(origin, BOX, strict=True))
    if encoding != "png":  # cloud-volume needs one more package for it
        peer = CloudVolume(f"file://{tmp_path}/a", mip=0, progress=False)[x, y, z]
        np.testing.assert_array_equal(found[0], np.asarray(peer)[..., 0].T)
    if encoding != "jpeg":
        np.testing.assert_array_equal(found[0], voxels[WHERE])
    assert raw.chunks.present == 27


def test_the_indices_of_a_shard_are_fetched_once(
    store: stores.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of blocks that lie in it."""
    monkeypatch.setattr(reading, "SHARDED_BLOCK", 16**3 * 2)
    spec = stores.precomputed((*SHAPE[::-1], 1), "raw", sharded=True)
    stores.write(tmp_path / "a", spec, VOXELS.T[..., None])
    asked: list[tuple[str, str | None]] = []

    def note(served: stores.Served, path: str) -> bool:
        asked.append((path, served.headers["Range"]))
        return False

    store.fault(note)
    about = level(f"{store.url}a/", "neuroglancer_precomputed", "xyzC", offset=(7, 6, 5), scale=0)
    _, found = read(crop(about, (7, 6, 5), SHAPE), tmp_path / "raw")
    np.testing.assert_array_equal(found[0], VOXELS)
    assert len(asked) > 1 + 2 * 3 + 9  # several blocks of each shard
    assert len(set(asked)) == len(asked)


def test_a_folder_of_this_machine(tmp_path: Path) -> None:
    stores.write(tmp_path / "a b", stores.v2(SHAPE, (16, 16, 16), "|u1"), VOXELS)
    about = level((tmp_path / "a b").as_uri() + "/", "zarr", "zyx")
    _, found = read(crop(about, ORIGIN, BOX), tmp_path / "raw")
    np.testing.assert_array_equal(found[0], VOXELS[WHERE])


def test_a_box_in_memory(store: stores.Store, tmp_path: Path) -> None:
    stores.write(tmp_path / "a", stores.v2(SHAPE, (16, 16, 16), "|u1"), VOXELS)
    about = level(f"{store.url}a/", "zarr", "zyx")
    found, chunks = harness.crawl(lambda crawler: reading.read_box(crawler, about, ORIGIN, BOX))
    np.testing.assert_array_equal(found[0], VOXELS[WHERE])
    assert chunks.present == 27


def test_many_blocks_and_progress(
    store: stores.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK", 6000)
    stores.write(tmp_path / "a", stores.v2(SHAPE, (16, 16, 16), "|u1"), VOXELS)
    wanted = crop(level(f"{store.url}a/", "zarr", "zyx"), (0, 0, 0), SHAPE)
    told: list[tuple[int, int]] = []

    async def main(crawler: Crawler) -> Raw:
        done = tmp_path / "raw"
        return await reading.read_crop(
            crawler, wanted, done, start=9, progress=lambda a, b: told.append((a, b))
        )

    raw = harness.crawl(main)
    found = np.fromfile(raw.path, np.uint8, offset=9).reshape(SHAPE)
    np.testing.assert_array_equal(found, VOXELS)
    assert store.most() == 1
    assert len(told) > 20
    assert told[-1] == (VOXELS.size, VOXELS.size)
