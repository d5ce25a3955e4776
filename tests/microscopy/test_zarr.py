from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.microscopy.zarr_facts import describe_zarr
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.microscopy.facts import FileFacts

AXES = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]


def scale(*numbers: float) -> list[dict[str, Any]]:
    return [
        {"type": "scale", "scale": list(numbers)},
        {"type": "translation", "translation": [0.0] * len(numbers)},
    ]


def multiscales(**more: Any) -> dict[str, Any]:
    """As jrc_mus-nacc-2 has them."""
    levels = [
        {"path": f"s{i}", "coordinateTransformations": scale(2.96 * 2**i, 4.0 * 2**i, 4.0 * 2**i)}
        for i in range(9)
    ]
    whole = {"axes": AXES, "datasets": levels, "coordinateTransformations": scale(1.0, 1.0, 1.0)}
    return {"multiscales": [{"version": "0.4", **whole, **more}]}


def zarray(**more: Any) -> dict[str, Any]:
    return {
        "shape": [564, 2520, 2596],
        "chunks": [64, 64, 64],
        "dtype": "<i2",
        "compressor": {"id": "zstd", "level": 1},
        "zarr_format": 2,
        **more,
    }


def zarr3(**more: Any) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [512, 512, 256],
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [64, 64, 64]}},
        "codecs": [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 6}}],
        **more,
    }


def group3(**attributes: Any) -> dict[str, Any]:
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def described(documents: dict[str, Any]) -> FileFacts:
    bodies = {
        name: body if isinstance(body, bytes) else json.dumps(body).encode()
        for name, body in documents.items()
    }
    return describe_zarr(bodies.get)


def sizes(facts: FileFacts) -> tuple[int | None, ...]:
    return facts.size_t, facts.size_c, facts.size_z, facts.size_y, facts.size_x


def voxels(facts: FileFacts) -> tuple[float | None, ...]:
    return facts.voxel_z_nm, facts.voxel_y_nm, facts.voxel_x_nm


def test_ome_04() -> None:
    facts = described({".zattrs": multiscales(), "s0/.zarray": zarray()})
    assert facts.format == "OME-Zarr"
    assert sizes(facts) == (None, None, 564, 2520, 2596)
    assert voxels(facts) == (2.96, 4.0, 4.0)
    assert facts.voxel_source["z"] == "file: OME-NGFF"
    assert (facts.dtype, facts.compression, facts.levels) == ("int16", "zstd", 9)
    assert facts.extra["chunks"] == "64 x 64 x 64"


def test_both_scales_count_and_each_axis_has_its_unit() -> None:
    axes = [
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space", "unit": "micrometer"},
        {"name": "y", "type": "space", "unit": "nanometer"},
        {"name": "x", "type": "space"},
    ]
    attrs = multiscales(
        axes=axes,
        datasets=[{"path": "0", "coordinateTransformations": scale(1, 0.5, 100, 3)}],
        coordinateTransformations=scale(1, 0.1, 2, 1),
    )
    facts = described({".zattrs": attrs, "0/.zarray": zarray(shape=[2, 5, 6, 7], dtype="|u1")})
    assert sizes(facts) == (None, 2, 5, 6, 7)
    assert voxels(facts) == (50.0, 200.0, None)


def test_consolidated_metadata() -> None:
    whole = {"metadata": {".zattrs": multiscales(), "s0/.zarray": zarray()}}
    assert sizes(described({".zmetadata": whole})) == (None, None, 564, 2520, 2596)


def test_old_versions_without_units() -> None:
    attrs = {"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]}
    facts = described({".zattrs": attrs, "0/.zarray": zarray(shape=[1, 2, 3, 4, 5], dtype=">u2")})
    assert (sizes(facts), facts.dtype) == ((1, 2, 3, 4, 5), "uint16")
    named = {"multiscales": [{"axes": ["y", "x"], "datasets": [{"path": "0"}]}]}
    facts = described({".zattrs": named, "0/.zarray": zarray(shape=[4, 5], compressor=None)})
    assert (sizes(facts), facts.compression) == ((None, None, None, 4, 5), "none")


def test_bioformats2raw_nests_one_level() -> None:
    layout = {"bioformats2raw.layout": 3}
    inner = {".zattrs": layout, "0/.zattrs": multiscales(), "0/s0/.zarray": zarray()}
    assert described(inner).size_z == 564
    scales = multiscales(datasets=[{"path": "s0", "coordinateTransformations": scale(8, 8, 8)}])
    v3 = {
        "zarr.json": group3(ome=layout),
        "0/zarr.json": group3(ome=scales),
        "0/s0/zarr.json": zarr3(),
    }
    assert voxels(described(v3)) == (8.0, 8.0, 8.0)
    with pytest.raises(RecordMissing):
        described({".zattrs": layout, "0/.zattrs": layout})


def test_ome_05() -> None:
    facts = described({"zarr.json": group3(ome=multiscales()), "s0/zarr.json": zarr3()})
    assert (facts.format, facts.levels) == ("OME-Zarr", 9)
    assert sizes(facts) == (None, None, 512, 512, 256)
    assert voxels(facts) == (2.96, 4.0, 4.0)
    inline = group3(ome=multiscales()) | {"consolidated_metadata": {"metadata": {"s0": zarr3()}}}
    assert described({"zarr.json": inline}) == facts


def test_arrays_of_their_own() -> None:
    facts = described({".zarray": zarray(compressor={"id": "blosc", "cname": "lz4"})})
    assert (facts.format, facts.compression) == ("Zarr v2", "lz4")
    assert sizes(facts) == (None, None, 564, 2520, 2596)
    names = {"_ARRAY_DIMENSIONS": ["x", "y", "z"]}
    assert described({".zarray": zarray(), ".zattrs": names}).size_x == 564
    facts = described({"zarr.json": zarr3(dimension_names=["x", "y", "z"])})
    assert (facts.format, facts.size_x, facts.size_z) == ("Zarr v3", 512, 256)
    # Of four dimensions without names nothing is known.
    assert sizes(described({".zarray": zarray(shape=[2, 3, 4, 5])})) == (None,) * 5


def test_sharded() -> None:
    inner = {"chunk_shape": [32, 32, 32], "codecs": zarr3()["codecs"]}
    codecs = [{"name": "sharding_indexed", "configuration": inner}]
    facts = described({"zarr.json": zarr3(codecs=codecs)})
    assert (facts.compression, facts.extra["chunks"]) == ("zstd", "32 x 32 x 32")


N5 = {
    "dimensions": [100, 110, 120],
    "blockSize": [64, 32, 16],
    "dataType": "uint8",
    "compression": {"type": "gzip"},
}


@pytest.mark.parametrize(
    "more",
    [
        {"axes": ["x", "y", "z"], "resolution": [4.0, 5.0, 2.96], "units": ["nm"] * 3},
        {"pixelResolution": {"dimensions": [4.0, 5.0, 2.96], "unit": "nm"}},
        {"pixelResolution": [0.004, 0.005, 0.00296]},
        {"transform": {"axes": ["z", "y", "x"], "scale": [2.96, 5, 4], "units": ["nm"] * 3}},
    ],
)
def test_n5(more: dict[str, Any]) -> None:
    facts = described({"attributes.json": N5 | more})
    assert (facts.format, facts.dtype, facts.compression) == ("N5", "uint8", "gzip")
    assert sizes(facts) == (None, None, 120, 110, 100)
    assert voxels(facts) == (2.96, 5.0, 4.0)
    assert facts.extra["chunks"] == "16 x 32 x 64"
    group = {"attributes.json": more | {"scales": [[1] * 3, [2] * 3]}, "s0/attributes.json": N5}
    grouped = described(group)
    assert (voxels(grouped), grouped.levels) == ((2.96, 5.0, 4.0), 2)


def test_n5_multiscales() -> None:
    scales = {
        "multiscales": [
            {
                "datasets": [
                    {
                        "path": "s0",
                        "transform": {
                            "axes": ["z", "y", "x"],
                            "scale": [3, 2, 1],
                            "units": ["nm"] * 3,
                        },
                    },
                    {"path": "s1"},
                ]
            }
        ]
    }
    facts = described({"attributes.json": scales, "s0/attributes.json": N5})
    assert (voxels(facts), facts.levels) == ((3.0, 2.0, 1.0), 2)


# Faults


@pytest.mark.parametrize(
    ("documents", "outcome"),
    [
        ({}, Outcome.NOT_IMAGE),
        ({".zgroup": {"zarr_format": 2}}, Outcome.NOT_IMAGE),
        ({"zarr.json": group3()}, Outcome.NOT_IMAGE),
        ({"attributes.json": {"n5": "2.0.0"}}, Outcome.NOT_IMAGE),
        ({".zarray": b""}, Outcome.EMPTY),
        ({".zarray": b"<html><title>Forbidden</title>"}, Outcome.NOT_IMAGE),
        ({".zarray": b"\x89PNG\r\n\x1a\n"}, Outcome.NOT_IMAGE),
        ({".zarray": json.dumps(zarray()).encode()[:-1]}, Outcome.TRUNCATED),
        ({".zarray": b'{"shape": [}, "dtype": "<u2"}'}, Outcome.CORRUPT),
        ({".zarray": b"[1, 2, 3]"}, Outcome.CORRUPT),
        ({".zarray": b'{"a": ' + b"[" * 100_000}, Outcome.CORRUPT),
        ({".zarray": b'{"shape": [' + b"9" * 5000 + b"]}"}, Outcome.CORRUPT),
        ({".zarray": b'{"a": "' + b" " * (17 << 20) + b'"}'}, Outcome.TOO_LARGE),
        ({".zarray": zarray(shape=[-1, 2])}, Outcome.CORRUPT),
        ({".zarray": zarray(shape=[True, 2])}, Outcome.CORRUPT),
        ({".zarray": zarray(shape=[1] * 33)}, Outcome.CORRUPT),
        ({".zarray": zarray(shape="big")}, Outcome.CORRUPT),
        ({".zattrs": multiscales(), "s1/.zarray": zarray()}, Outcome.CORRUPT),
        ({".zattrs": multiscales(), "s0/.zarray": zarray(shape=[4, 5])}, Outcome.CORRUPT),
        ({".zattrs": multiscales(datasets=[])}, Outcome.CORRUPT),
        ({".zattrs": multiscales(datasets=[{"path": "../../etc"}])}, Outcome.CORRUPT),
        ({".zattrs": multiscales(datasets=[{"path": 7}])}, Outcome.CORRUPT),
    ],
)
def test_refused(documents: dict[str, Any], outcome: Outcome) -> None:
    with pytest.raises(RecordMissing) as caught:
        described(documents)
    assert caught.value.outcome is outcome


def test_odd_values_are_left_out() -> None:
    odd = zarray(dtype=[["a", "<u2"]], compressor=7, chunks={"a": 1})
    facts = described({".zarray": odd})
    assert (facts.dtype, facts.compression, "chunks" in facts.extra) == (None, None, False)
    transforms = [{"type": "scale", "scale": [float("nan"), 0, "x"]}]
    attrs = multiscales(datasets=[{"path": "s0", "coordinateTransformations": transforms}])
    assert voxels(described({".zattrs": attrs, "s0/.zarray": zarray()})) == (None,) * 3
