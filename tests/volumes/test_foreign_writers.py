"""Volumes that others' libraries wrote, voxel for voxel: each in an environment of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from imgcrawl.microscopy.zarr_documents import document_at
from imgcrawl.records.volume import VolumeAddress
from imgcrawl.volumes.metadata.multiscale import read_multiscale
from tests.environments import environment
from tests.volumes import stores

if TYPE_CHECKING:
    from imgcrawl.records.volume import Level

WRITER = Path(__file__).with_name("foreign_writers.py")


def level_at(folder: Path) -> Level:
    async def get(url: str) -> bytes | None:
        return document_at(Path(unquote(urlsplit(url).path)))

    address = VolumeAddress(str(folder), f"{folder.as_uri()}/")
    return asyncio.run(read_multiscale(get, address)).levels[0]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kind", "packages", "count"),
    [
        ("ome_zarr", ("ome-zarr>=0.11",), 6),
        ("ngff_zarr", ("ngff-zarr>=0.20",), 10),
        ("webknossos", ("webknossos>=3",), 2),
        ("zarr_2", ("zarr<3", "numcodecs<0.16", "fsspec"), 7),
    ],
)
def test_what_others_wrote_is_read_voxel_for_voxel(
    tmp_path: Path, kind: str, packages: tuple[str, ...], count: int
) -> None:
    python = environment(tmp_path / "env", *packages)
    subprocess.run([str(python), str(WRITER), str(tmp_path), kind], check=True)
    told = [json.loads(line) for line in (tmp_path / "manifest.jsonl").open()]
    assert len(told) == count
    for each in told:
        level = level_at(tmp_path / each["path"])
        wanted = np.load(tmp_path / f"{each['name']}.npy")
        whole = stores.crop(level, level.offset, level.shape, each.get("time", 0))
        raw, voxels = stores.read(whole, tmp_path / "raw")
        assert np.array_equal(voxels, wanted), each["name"]
        assert raw.chunks.missing == 0, each["name"]
        sizes = [None if nm is None else pytest.approx(nm) for nm in each["nm"]]
        assert list(level.voxel_nm) == sizes, each["name"]
