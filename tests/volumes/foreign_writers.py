# mypy: ignore-errors
"""``python foreign_writers.py DIR KIND...``: volumes by others' libraries, and what is in them.

Runs in an environment of its own (see test_foreign_writers.py), and imports nothing of the project.
DIR/manifest.jsonl has a line for each volume: name, path, time, nm (z, y, x); its voxels lie in
DIR/NAME.npy as c, z, y, x.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(sys.argv[1])
RANDOM = np.random.default_rng(19)
ZYX = RANDOM.integers(0, 60000, (26, 40, 48)).astype("u2")
CZYX = RANDOM.integers(0, 60000, (2, 26, 40, 48)).astype("u2")
TCZYX = RANDOM.integers(0, 60000, (2, 2, 26, 40, 48)).astype("u2")
MICROMETRES = dict.fromkeys("zyx", "micrometer")
STEPS = {"z": 0.5, "y": 0.25, "x": 0.1}


def note(name, path, voxels, nm, **more):
    while voxels.ndim < 4:
        voxels = voxels[None]
    np.save(ROOT / f"{name}.npy", np.ascontiguousarray(voxels))
    with (ROOT / "manifest.jsonl").open("a") as file:
        file.write(json.dumps({"name": name, "path": path, "nm": nm, **more}) + "\n")


def ome_zarr():
    import zarr
    from ome_zarr.format import FormatV04, FormatV05
    from ome_zarr.writer import write_image

    for number, (form, version) in enumerate(((FormatV04(), 2), (FormatV05(), 3))):
        for axes, voxels in (("zyx", ZYX), ("czyx", CZYX), ("tczyx", TCZYX)):
            name = f"ome{number}_{axes}"
            group = zarr.open_group(ROOT / f"{name}.zarr", mode="w", zarr_format=version)
            write_image(voxels, group, axes=axes, fmt=form)
            time = {"time": 1} if axes == "tczyx" else {}
            note(name, f"{name}.zarr", voxels[1] if time else voxels, [None] * 3, **time)


def ngff_zarr():
    import ngff_zarr as nz

    for version in ("0.4", "0.5", "0.6"):
        for axes, voxels in (("zyx", ZYX), ("czyx", CZYX), ("zyxc", np.moveaxis(CZYX, 0, -1))):
            name = f"ngff{version}_{axes}"
            image = nz.to_ngff_image(
                voxels, dims=list(axes), scale=STEPS, translation=STEPS, axes_units=MICROMETRES
            )
            scales = nz.to_multiscales(image, scale_factors=[2], chunks=16)
            nz.to_ngff_zarr(str(ROOT / f"{name}.zarr"), scales, version=version)
            note(name, f"{name}.zarr", ZYX if axes == "zyx" else CZYX, [500, 250, 100])
    image = nz.to_ngff_image(ZYX, dims=list("zyx"), scale=STEPS, axes_units=MICROMETRES)
    scales = nz.to_multiscales(image, scale_factors=[2], chunks=8)
    nz.to_ngff_zarr(str(ROOT / "sharded.zarr"), scales, version="0.5", chunks_per_shard=2)
    note("sharded", "sharded.zarr", ZYX, [500, 250, 100])


def webknossos():
    import webknossos as wk

    for form in ("zarr", "zarr3"):
        dataset = wk.Dataset(ROOT / f"wk_{form}", voxel_size=(11.24, 11.24, 25.0), name="a")
        layer = dataset.add_layer("color", "color", dtype="uint8", num_channels=1, data_format=form)
        shard = 64 if form == "zarr3" else 32
        level = layer.add_mag("1", chunk_shape=(32,) * 3, shard_shape=(shard,) * 3)
        voxels = RANDOM.integers(1, 255, (64, 64, 64)).astype("u1")
        level.write(voxels, absolute_offset=(0, 0, 0), allow_resize=True)
        note(f"wk_{form}", f"wk_{form}/color/1", voxels.T, [25.0, 11.24, 11.24])


def zarr_2():
    import numcodecs
    import zarr
    from zarr.n5 import N5FSStore

    codecs = {"gzip": numcodecs.GZip(), "bz2": numcodecs.BZ2(), "blosc": numcodecs.Blosc()}
    codecs |= {"zstd": numcodecs.Zstd(), "lzma": numcodecs.LZMA(), "raw": None}
    for name, codec in codecs.items():
        group = zarr.open_group(N5FSStore(str(ROOT / f"{name}.n5")), mode="w")
        array = group.create_dataset("v/s0", data=ZYX, chunks=(16, 16, 16), compressor=codec)
        array.attrs["pixelResolution"] = {"unit": "nm", "dimensions": [4.0, 5.0, 40.0]}
        note(f"n5_{name}", f"{name}.n5/v/s0", ZYX, [40, 5, 4])
    nested = zarr.NestedDirectoryStore(str(ROOT / "nested.zarr"))
    array = zarr.open_array(nested, mode="w", shape=ZYX.shape, chunks=(10, 12, 14), dtype="u2")
    array[:] = ZYX
    note("nested", "nested.zarr", ZYX, [None] * 3)


for kind in sys.argv[2:]:
    globals()[kind]()
