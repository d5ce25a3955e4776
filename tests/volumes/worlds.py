"""Small volumes, documents only: of the shapes that real stores have."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Documents = dict[str, Any]

PLAIN_ARRAY_V2: Documents = {
    "shape": [40, 60, 80],
    "chunks": [16, 16, 16],
    "dtype": "<i2",
    "fill_value": 0,
    "order": "C",
    "filters": None,
    "dimension_separator": "/",
    "compressor": {"id": "zstd", "level": 1},
    "zarr_format": 2,
}


def multiscales(axes: str, levels: dict[str, tuple[list[float], list[float]]]) -> Documents:
    """OME-NGFF 0.4 of levels: path -> scale, translation."""
    kinds = {"c": "channel", "t": "time"}
    return {
        "version": "0.4",
        "axes": [
            {"name": a, "type": kinds[a]}
            if a in kinds
            else {"name": a, "type": "space", "unit": "nanometer"}
            for a in axes
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [1.0] * len(axes)}],
        "datasets": [
            {
                "path": path,
                "coordinateTransformations": [
                    {"type": "scale", "scale": scale},
                    {"type": "translation", "translation": shift},
                ],
            }
            for path, (scale, shift) in levels.items()
        ],
    }


def nacc(prefix: str = "recon-2/em/fibsem-int16/") -> Documents:
    """jrc_mus-nacc-2 made small: three levels, the scales and the places of the real one."""
    levels = {
        "s0": ([2.96, 4.0, 4.0], [0.0, 0.0, 0.0]),
        "s1": ([5.92, 8.0, 8.0], [1.48, 2.0, 2.0]),
        "s2": ([11.84, 16.0, 16.0], [4.44, 6.0, 6.0]),
    }
    found: Documents = {
        f"{prefix}.zgroup": {"zarr_format": 2},
        f"{prefix}.zattrs": {"multiscales": [multiscales("zyx", levels)]},
    }
    for number, level in enumerate(levels):
        shape = [side >> number for side in (40, 60, 80)]
        found[f"{prefix}{level}/.zarray"] = {**PLAIN_ARRAY_V2, "shape": shape}
        found[f"{prefix}{level}/.zattrs"] = {}
    folder = prefix.rstrip("/")
    while folder:
        folder = folder.rpartition("/")[0]
        found[f"{folder}/.zgroup".lstrip("/")] = {"zarr_format": 2}
    return found


def hemibrain(side: int = 256, scales: int = 3, **more: Any) -> Documents:
    """The info of a sharded JPEG volume of 8 nm."""
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1",
        "data_encoding": "raw",
        "hash": "identity",
        "minishard_bits": 3,
        "minishard_index_encoding": "gzip",
        "preshift_bits": 3,
        "shard_bits": 3,
    }
    return {
        "@type": "neuroglancer_multiscale_volume",
        "type": "image",
        "data_type": "uint8",
        "num_channels": 1,
        "scales": [
            {
                "key": f"{8 << n}_{8 << n}_{8 << n}",
                "size": [side >> n, (side + 20) >> n, (side + 40) >> n],
                "resolution": [8 << n] * 3,
                "voxel_offset": [0, 0, 0],
                "chunk_sizes": [[64, 64, 64]],
                "encoding": "jpeg",
                "sharding": sharding,
            }
            for n in range(scales)
        ],
        **more,
    }


def write(root: Path, documents: Documents) -> None:
    """Documents as files."""
    for name, told in documents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(told), "utf-8")


@dataclass
class Store:
    """Documents behind an address, and which were asked for."""

    documents: dict[str, Any]
    base: str = "https://host/v/"
    asked: list[str] = field(default_factory=list)

    async def get(self, url: str) -> bytes | None:
        name = url.removeprefix(self.base)
        self.asked.append(name)
        told = self.documents.get(name)
        if told is None or isinstance(told, bytes):
            return told
        return json.dumps(told).encode()
