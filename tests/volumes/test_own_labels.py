"""Cubes of an image and of the labels that lie within it, by the address of the image alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.conftest import Crawler
from tests.volumes import stores, worlds
from tests.volumes.test_crawl_unlisted import PRIVATE
from tests.volumes.test_shared_cubes import box, cubes_of, origin

if TYPE_CHECKING:
    from pathlib import Path

EM = np.random.default_rng(6).integers(1, 60000, (18, 22, 26), np.uint16)  # at 6 nm
IDS = np.random.default_rng(7).integers(0, 3, (9, 11, 13), np.uint32)  # at 12 nm


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An OME-Zarr image, and labels of half its resolution in it."""
    root = tmp_path / "store/a scan.zarr"
    for folder, voxels, nm in ((root, EM, 6.0), (root / "labels/cells", IDS, 12.0)):
        dtype = voxels.dtype.newbyteorder("<").str
        stores.write(folder / "0", stores.v2(voxels.shape, (8, 8, 8), dtype), voxels)
        scales = worlds.multiscales("zyx", {"0": ([nm] * 3, [nm / 2 - 3] * 3)})
        about: dict[str, Any] = {"multiscales": [scales]}
        if folder != root:
            about["image-label"] = {"source": {"image": "../../"}}
        worlds.write(folder, {".zgroup": {"zarr_format": 2}, ".zattrs": about})
    listed = {".zgroup": {"zarr_format": 2}, ".zattrs": {"labels": ["cells"]}}
    worlds.write(root / "labels", listed)
    return root


def test_the_picture_itself_is_a_layer(image: Path, tmp_path: Path) -> None:
    alone = Crawler(tmp_path, None)
    about: dict[str, Any] = {
        "size": 6,
        "voxel": "6nm",
        "count": 4,
        "seed": 2,
        "format": "npy",
        "classes": "2",
    }
    with stores.serving(image.parent) as store:
        url = f"{store.url}a%20scan.zarr"
        ended = alone("zarr", url=url, layers=".,labels/cells", settings=PRIVATE, **about)
        above = alone(
            "zarr",
            url=store.url,
            layers="a scan.zarr,a scan.zarr/labels/cells",
            settings=PRIVATE,
            out="above",
            **about,
        )
    assert ended.status == above.status == 0, ended.log + above.log
    assert "left out" not in ended.log
    cubes = cubes_of(ended)
    assert len(cubes) == 4
    whole = np.kron(IDS, np.ones((2, 2, 2), np.uint32))
    for members in cubes.values():
        (em, em_voxels), (cells, ids) = members["a scan.zarr"], members["labels/cells"]
        assert (em["role"], cells["role"]) == ("image", "label")
        assert np.array_equal(em_voxels, box(EM, origin(em), 6, (6, 6, 6)))
        assert np.array_equal(ids, box(whole, origin(cells), 6, (6, 6, 6)))
        assert 2 in ids
    assert cubes.keys() == cubes_of(above).keys()


def test_what_is_never_met_is_named(image: Path, tmp_path: Path) -> None:
    alone = Crawler(tmp_path, None)
    about: dict[str, Any] = {
        "url": str(image),
        "layers": ".,labels/cells",
        "size": 6,
        "format": "npy",
    }
    ended = alone("zarr", classes="7,9", min_label="0.1", **about)
    assert ended.status == 3, ended.log
    (failure,) = ended.out.rows("failures.csv")
    assert "asked for: classes=7,9; min_label=0.1, and the best had 0." in failure["message"]
    twice = alone("zarr", **about | {"layers": ".,."})
    assert twice.status == 2
    assert "names one of them twice" in twice.log
