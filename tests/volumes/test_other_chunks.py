"""Chunks that lie as NAME.gz and the like: read as what they are, and never taken for absent."""

from __future__ import annotations

import bz2
import gzip
import lzma
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import brotli
import numpy as np
import pytest
from backports import zstd
from cloudvolume import CloudVolume

from imgcrawl.records.errors import RecordMissing
from imgcrawl.volumes.metadata.other_names import PLAIN_ENOUGH, OtherNames
from imgcrawl.volumes.metadata.packed import SUFFIXES, unpack
from tests.volumes import stores

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imgcrawl.records.volume import Level

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".br": brotli.compress,
    ".zstd": zstd.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}
SIZE = (60, 50, 40)  # x, y, z


def made(root: Path, encoding: str = "raw", dtype: str = "uint8") -> stores.Voxels:
    """A volume whose voxels count from 5, 6, 7 (x, y, z): its voxels as z, y, x."""
    spec = stores.precomputed((*SIZE, 1), encoding, dtype=dtype)
    voxels = np.random.default_rng(3).integers(1, 200, (*SIZE, 1)).astype(dtype)
    stores.write(root, spec, voxels)
    return voxels[..., 0].transpose()


def level_of(url: str, dtype: str = "uint8") -> Level:
    chunk = {"chunk": (16, 16, 16), "offset": (7, 6, 5), "shape": SIZE[::-1], "scale": 0}
    about: dict[str, Any] = {"dtype": dtype, "sha256": "a", **chunk}
    found = stores.level(url, "neuroglancer_precomputed", "xyzC", **about)
    return replace(found, name="8_8_8")


def chunks_of(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("8_8_8/*"))


def repack(path: Path, suffix: str) -> None:
    path.with_name(path.name + suffix).write_bytes(PACK[suffix](path.read_bytes()))
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["raw", "compressed_segmentation"])
def test_each_chunk_may_be_packed_in_its_own_way(tmp_path: Path, encoding: str) -> None:
    """The first is absent, as a black one is: the others are asked for none the less."""
    dtype = "uint8" if encoding == "raw" else "uint32"
    root = tmp_path / "v"
    truth = made(root, encoding, dtype).copy()
    first = root / "8_8_8/5-21_6-22_7-23"
    plain, *others = (path for path in chunks_of(root) if path != first)
    for number, path in enumerate(others):
        repack(path, SUFFIXES[number % len(SUFFIXES)])
    x, y, z = (slice(*map(int, part.split("-"))) for part in first.name.split("_"))
    first.unlink()
    truth[z.start - 7 : z.stop - 7, y.start - 6 : y.stop - 6, x.start - 5 : x.stop - 5] = 0
    assert plain.is_file()
    with stores.serving(root) as store:
        for url in (f"{root.as_uri()}/", store.url):
            level = level_of(url, dtype)
            raw, voxels = stores.read(stores.crop(level, (9, 8, 6), (35, 40, 50)), tmp_path / "raw")
            assert np.array_equal(voxels[0], truth[2:37, 2:42, 1:51]), url
            assert (raw.chunks.present, raw.chunks.missing) == (35, 1)
            assert not raw.chunks.absence


def test_what_another_program_wrote_is_read(tmp_path: Path) -> None:
    info = CloudVolume.create_new_info(
        1, "image", "uint16", "raw", [8, 8, 40], [-7, 0, 9], SIZE, chunk_size=[32, 16, 8]
    )
    for number, compress in enumerate(("gzip", "br", "zstd", "bzip2", "xz")):
        root = tmp_path / compress
        volume = CloudVolume(
            f"file://{root}", info=info, progress=False, compress=compress, non_aligned_writes=True
        )
        volume.commit_info()
        written = np.random.default_rng(number).integers(0, 60_000, (*SIZE, 1), np.uint16)
        volume[:, :, :] = written
        suffixes = {path.suffix for path in root.glob("8_8_40/*")}
        assert suffixes <= set(SUFFIXES)
        assert len(suffixes) == 1
        about: dict[str, Any] = {"dtype": "uint16", "chunk": (8, 16, 32), "offset": (9, 0, -7)}
        level = stores.level(
            f"{root.as_uri()}/", "neuroglancer_precomputed", "xyzC", shape=SIZE[::-1], **about
        )
        level = replace(level, name="8_8_40")
        _, voxels = stores.read(stores.crop(level, (9, 0, -7), SIZE[::-1]), tmp_path / "raw")
        assert np.array_equal(voxels[0], written[..., 0].transpose()), compress


@pytest.mark.parametrize("fault", ["cut", "text", "forbidden"])
def test_a_packed_chunk_that_cannot_be_read_is_no_zeros(tmp_path: Path, fault: str) -> None:
    root = tmp_path / "v"
    made(root)
    for path in chunks_of(root):
        repack(path, ".gz")
    bad = chunks_of(root)[0]

    def forbid(handler: stores.Served, path: str) -> bool:
        return path.endswith(bad.name) and handler.say(403)

    body = bad.read_bytes()
    if fault == "cut":
        bad.write_bytes(body[: len(body) // 2])
    elif fault == "text":
        bad.write_bytes(b"<html>nothing</html>")
    with stores.serving(root) as store:
        if fault == "forbidden":
            store.fault(forbid)
        with pytest.raises(RecordMissing) as caught:
            stores.read(stores.crop(level_of(store.url), (7, 6, 5), (20, 20, 20)), tmp_path / "raw")
    reasons = {"cut": "truncated", "text": "corrupt", "forbidden": "forbidden"}
    assert caught.value.outcome == reasons[fault], caught.value


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_unpacks_to_more_than_a_chunk_is_refused(suffix: str) -> None:
    packed = PACK[suffix](bytes(1 << 20))
    assert unpack(packed, suffix, 1 << 20) == bytes(1 << 20)
    with pytest.raises(RecordMissing, match="more than 1,000 bytes"):
        unpack(packed, suffix, 1000)
    with pytest.raises(RecordMissing, match="ends too early"):
        unpack(packed[:-4], suffix, 1 << 20)
    assert unpack(b"unpacked on the way", suffix, 100) == b"unpacked on the way"


def test_a_sparse_volume_is_not_asked_six_times_for_each_chunk() -> None:
    names = OtherNames(SUFFIXES)
    assert names.to_ask(first=True) == SUFFIXES
    for _ in range(2 * PLAIN_ENOUGH):
        assert names.to_ask(first=False) == SUFFIXES  # all may be packed, and these be black
        names.learn(None)
    names.learn_plain()
    assert names.to_ask(first=False) == ()
    assert names.to_ask(first=True) == SUFFIXES  # of each box one is asked, for good
    names.learn(".zstd")
    assert names.to_ask(first=False) == (".zstd", ".gz", ".br", ".xz", ".bz2")


@pytest.mark.parametrize("packed", [False, True])
def test_what_boto3_leaves_on_objects_says_nothing_of_them(tmp_path: Path, *, packed: bool) -> None:
    """Content-Encoding: aws-chunked, as on objects of google/neuroglancer #795."""
    root = tmp_path / "v"
    truth = made(root)

    def encode(handler: stores.Served, path: str) -> bool:
        if "/8_8_8/" not in path or not (root / path.strip("/")).is_file():
            return False
        body = (root / path.strip("/")).read_bytes()
        encoding = "aws-chunked,gzip" if packed else "aws-chunked"
        return handler.say(200, gzip.compress(body) if packed else body, Content_Encoding=encoding)

    with stores.serving(root) as store:
        store.fault(encode)
        raw, voxels = stores.read(
            stores.crop(level_of(store.url), (9, 8, 6), (20, 20, 20)), tmp_path / "raw"
        )
    assert np.array_equal(voxels[0], truth[2:22, 2:22, 1:21])
    assert raw.chunks.missing == 0
