"""Cubes that are folders of chunks: shown by their middle slice, and in no export."""

from __future__ import annotations

import json
from contextlib import closing
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorstore as ts
from PIL import Image

import imgcrawl
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.exports.small_picture import small_picture
from imgcrawl.records.errors import ArgumentError
from imgcrawl.storage.local import LocalStorage
from tests.exports.conftest import picture
from tests.exports.test_export import export

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CUBE = np.random.default_rng(2).integers(0, 255, (9, 40, 30), np.uint8)


def zarr(folder: Path, shape: tuple[int, ...] = CUBE.shape) -> None:
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{folder / '0'}/"},
        "metadata": {"shape": list(shape), "chunks": [4, 16, 16], "dtype": "|u1"},
    }
    array = ts.open(spec, create=True).result()
    if shape == CUBE.shape:
        array.write(CUBE).result()


def precomputed(folder: Path) -> None:
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "multiscale_metadata": {"data_type": "uint8", "num_channels": 1, "type": "image"},
        "scale_metadata": {
            "size": [30, 40, 9],
            "encoding": "raw",
            "chunk_size": [16, 16, 4],
            "resolution": [8, 8, 8],
            "voxel_offset": [100, 7, 3],
        },
    }
    ts.open(spec, create=True).result()[..., 0].write(CUBE.transpose()).result()


def shown(out: Path, name: str) -> Image.Image | None:
    made = small_picture(LocalStorage(out), {"file_name": name, "format": "OME-Zarr"}, 192)
    return None if made is None else Image.open(BytesIO(made))


@pytest.mark.parametrize(("end", "write"), [(".ome.zarr", zarr), (".precomputed", precomputed)])
def test_the_middle_slice_is_shown(tmp_path: Path, end: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / f"cubes/a{end}")
    found = shown(tmp_path, f"cubes/a{end}")
    assert found is not None
    wanted = CUBE[4].astype(float)
    wanted = (wanted - wanted.min()) * 255 / (wanted.max() - wanted.min())
    # A JPEG, perhaps: not the same to the last bit.
    seen = np.asarray(found.convert("L"), float)
    assert seen.shape == (40, 30)
    assert np.corrcoef(seen.ravel(), wanted.ravel())[0, 1] > 0.9


def test_what_may_be_hostile_is_not_read(tmp_path: Path) -> None:
    zarr(tmp_path / "large.ome.zarr", (2, 1 << 20, 1 << 20))
    assert shown(tmp_path, "large.ome.zarr") is None
    zarr(tmp_path / "chunk.ome.zarr")
    document = tmp_path / "chunk.ome.zarr/0/.zarray"
    told = json.loads(document.read_text())
    document.write_text(json.dumps(told | {"chunks": [1 << 20, 1 << 20, 1 << 10]}))
    assert shown(tmp_path, "chunk.ome.zarr") is None
    document.write_text(json.dumps(told | {"shape": [40, 30], "chunks": [4, 4]}))
    assert shown(tmp_path, "chunk.ome.zarr") is None
    zarr(tmp_path / "out/link.ome.zarr")
    chunk = next((tmp_path / "out/link.ome.zarr/0").glob("0*"))
    chunk.rename(tmp_path / "secret")
    chunk.symlink_to(tmp_path / "secret")
    assert shown(tmp_path / "out", "link.ome.zarr") is None
    assert shown(tmp_path / "out", "../chunk.ome.zarr") is None
    (tmp_path / "nothing.ome.zarr").mkdir()
    assert shown(tmp_path, "nothing.ome.zarr") is None


def test_it_is_left_out_of_exports_in_words(filled: Callable[..., Path], tmp_path: Path) -> None:
    out = filled([("c", {}, picture(1)), ("d", {}, picture(2))])
    zarr(out / "cubes/c.ome.zarr")
    with closing(Ledger(out / "ledger.sqlite")) as ledger:
        ledger._db.execute(
            "UPDATE records SET file_name = 'cubes/c.ome.zarr', format = 'OME-Zarr'"
            " WHERE record_id = 'c'"
        )
    found = export(out, "webdataset", tmp_path / "w")
    assert found.figures.records == 1
    assert found.plan.left_out.lines() == [
        "Left out: 1 copies and cubes that are folders (the first is c)"
    ]
    assert imgcrawl.open(out).verify() == []
    with closing(Ledger(out / "ledger.sqlite")) as ledger:
        ledger._db.execute("DELETE FROM records WHERE record_id = 'd'")
    with pytest.raises(ArgumentError, match="has no picture to export"):
        export(out, "webdataset", tmp_path / "x")
