"""Public buckets with volumes: ``/s3/BUCKET/KEY`` and ``/gcs/BUCKET/KEY``, listed by ListObjectsV2.

The volumes have the layout, documents and chunks of real ones at a small part of their size; they
are made at the first request, always the same.

s3   janelia-cosem-datasets/jrc_mus-nacc-2/jrc_mus-nacc-2.zarr  OME-Zarr 0.4, int16 and labels
     forbids-absence/small.zarr  of a bucket that may not be listed: 403 for a missing key
     private-data                403 for every request
gcs  neuroglancer-janelia-flyem-hemibrain/emdata/raw/jpeg       precomputed, sharded JPEG
     neuroglancer-janelia-flyem-hemibrain/v1.2/segmentation     compressed_segmentation
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicas.bucket import Bucket, answer, error

if TYPE_CHECKING:
    import numpy as np
    from aiohttp import web
    from numpy.typing import NDArray

    Volume = NDArray[Any]

COSEM = "janelia-cosem-datasets"
ZARR = "jrc_mus-nacc-2/jrc_mus-nacc-2.zarr"
GROUP = f"{ZARR}/recon-2/em/fibsem-int16"
LABELS = f"{ZARR}/recon-2/labels/inference/segmentations/nuc"
HEMIBRAIN = "neuroglancer-janelia-flyem-hemibrain"
JPEG = "emdata/raw/jpeg"
SEGMENTATION = "v1.2/segmentation"
FORBIDS, PRIVATE = "forbids-absence", "private-data"
SHAPE = (96, 160, 160)  # z, y, x of the finest level
SCALE = (2.96, 4.0, 4.0)  # nm
SIDE = 256  # of the precomputed volume
CHUNK = 64


def _noise(shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    """Return smooth structure with a grain, as tissue has: float, 0 to 1."""
    import numpy as np  # noqa: PLC0415 - as tensorstore

    random = np.random.default_rng(seed)
    coarse = random.random(tuple(-(-side // 16) for side in shape))
    for axis in range(len(shape)):
        coarse = np.repeat(coarse, 16, axis=axis)
    field = coarse[tuple(slice(side) for side in shape)]
    grain: np.ndarray[Any, Any] = 0.85 * field + 0.15 * random.random(shape)
    return grain


def _halved(volume: Volume) -> Volume:
    return volume[::2, ::2, ::2]


def _save(path: Path, driver: str, data: Volume, **more: Any) -> None:
    """Write an array with tensorstore."""
    import tensorstore as ts  # noqa: PLC0415 - a second of start-up that few need

    place = {"driver": "file", "path": f"{path}/"}
    spec = {"driver": driver, "kvstore": place, "create": True, **more}
    ts.open(spec).result().write(data).result()


def _zarr(folder: Path, data: Volume, levels: int, name: str = "s") -> None:
    """Write an OME-Zarr 0.4 pyramid, its levels s0, s1, ..."""
    datasets = []
    for level in range(levels):
        array = {
            "shape": list(data.shape),
            "chunks": [CHUNK] * 3,
            "dtype": data.dtype.str,
            "compressor": {"id": "zstd", "level": 1},
            "fill_value": 0,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
        }
        _save(folder / f"{name}{level}", "zarr", data, metadata=array)
        (folder / f"{name}{level}" / ".zattrs").write_text("{}")
        by = 2**level
        transforms = [
            {"scale": [size * by for size in SCALE], "type": "scale"},
            {"translation": [size * (by - 1) / 2 for size in SCALE], "type": "translation"},
        ]
        datasets.append({"coordinateTransformations": transforms, "path": f"{name}{level}"})
        data = _halved(data)
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    whole = [{"scale": [1.0, 1.0, 1.0], "type": "scale"}]
    scales = {
        "axes": axes,
        "coordinateTransformations": whole,
        "datasets": datasets,
        "metadata": None,
        "name": "",
        "type": None,
        "version": "0.4",
    }
    (folder / ".zattrs").write_text(json.dumps({"multiscales": [scales]}, indent=4))


def _groups(root: Path) -> None:
    """Write a .zgroup into every folder above arrays."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        held = any((parent / ".zarray").exists() for parent in [folder, *folder.parents])
        if not held:
            (folder / ".zgroup").write_text('{\n    "zarr_format": 2\n}')


def _s3(root: Path) -> None:
    import numpy as np  # noqa: PLC0415

    tissue = (_noise(SHAPE, 1) * 4000 - 2000).astype("<i2")
    _zarr(root / COSEM / GROUP, tissue, levels=4)
    # A label that fills one corner: the other chunks hold nothing, and are not there.
    nucleus = np.zeros(SHAPE, "|u1")
    nucleus[:60, :60, :60] = _noise((60, 60, 60), 2) > 0.5
    _zarr(root / COSEM / LABELS, nucleus, levels=2)
    _groups(root / COSEM / ZARR)
    small = np.zeros((64, 128, 128), "<u2")
    small[:, :64, :64] = (_noise((64, 64, 64), 3) * 60000).astype("<u2")
    _zarr(root / FORBIDS / "small.zarr", small, levels=1)
    _groups(root / FORBIDS / "small.zarr")
    (root / PRIVATE).mkdir()


def _gcs(root: Path) -> None:
    import numpy as np  # noqa: PLC0415

    tissue = (_noise((SIDE,) * 3, 4) * 200 + 30).astype("uint8")
    tissue[SIDE // 2 :] = 0  # outside of the tissue there is nothing, as in the real one
    bodies = (_noise((SIDE // 2,) * 3, 5) * 5).astype("uint64") * 1_000_003
    bodies[SIDE // 4 :] = 0
    jpeg: dict[str, Any] = {"encoding": "jpeg", "jpeg_quality": 80, "sharding": _sharding(3)}
    packed: dict[str, Any] = {"encoding": "compressed_segmentation", "sharding": _sharding(1)}
    packed["compressed_segmentation_block_size"] = [8, 8, 8]
    for path, kind, data, more, levels in (
        (JPEG, "image", tissue, jpeg, 3),
        (SEGMENTATION, "segmentation", bodies, packed, 1),
    ):
        for level in range(levels):
            side = 8 * 2**level
            scale = {
                "key": f"{side}_{side}_{side}",
                "size": list(data.shape),
                "resolution": [side] * 3,
                "voxel_offset": [0, 0, 0],
                "chunk_size": [CHUNK] * 3,
                **more,
            }
            shared = {"type": kind, "data_type": data.dtype.name, "num_channels": 1}
            voxels = np.ascontiguousarray(data.transpose()[..., None])  # x, y, z, channel
            folder = root / HEMIBRAIN / path
            _save(folder, "neuroglancer_precomputed", voxels, scale_metadata=scale,
                  multiscale_metadata=shared)  # fmt: skip
            data = _halved(data)


def _sharding(bits: int) -> dict[str, Any]:
    return {
        "@type": "neuroglancer_uint64_sharded_v1",
        "preshift_bits": 1,
        "hash": "identity",
        "minishard_bits": 1,
        "shard_bits": bits,
        "minishard_index_encoding": "gzip",
        "data_encoding": "raw",
    }


@lru_cache(maxsize=2)
def buckets(site: str) -> dict[str, Bucket]:
    """Return the buckets of a site by name, their keys sorted. Takes a second the first time."""
    made: dict[str, Bucket] = {}
    with tempfile.TemporaryDirectory() as room:
        root = Path(room)
        (_s3 if site == "s3" else _gcs)(root)
        for bucket in root.iterdir():
            files = (path for path in bucket.rglob("*") if path.is_file())
            found = {path.relative_to(bucket).as_posix(): path.read_bytes() for path in files}
            made[bucket.name] = dict(sorted(found.items(), key=lambda item: item[0].encode()))
    return made


class BucketSite:
    """Answers for the buckets of one site: ``s3`` or ``gcs``."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._making = asyncio.Lock()

    async def site(self, request: web.Request, path: str) -> web.Response:
        """Answer with an object or a range of it, or with a page of a list."""
        async with self._making:
            known = await asyncio.to_thread(buckets, self._site)
        name, _, key = path.partition("/")
        bucket = known.get(name)
        if bucket is None:
            return error(404, "NoSuchBucket", "The specified bucket does not exist")
        if name == PRIVATE or (name == FORBIDS and key not in bucket):
            return error(403, "AccessDenied", "Access Denied")
        return answer(request, name, bucket, key)
