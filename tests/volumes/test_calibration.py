"""Axes and voxel sizes as documents of every dialect say them; what is not understood is told."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.microscopy.ome_transforms import axes_in_system
from tests.volumes import worlds
from tests.volumes.test_multiscale import V3_ARRAY, read

SHAPE = [40, 60, 80]


def ome6(transforms: Any, axes: str = "zyx", shape: list[int] = SHAPE, **more: Any) -> Any:
    """The documents of a multiscale of one level; a system that is not meant comes first."""
    systems = [
        {"name": "world", "axes": [{"name": "q", "unit": "meter"}]},
        {"name": "physical", "axes": [{"name": a, "unit": "micrometer"} for a in axes]},
    ]
    dataset = {"path": "array", "coordinateTransformations": transforms}
    scales = {"coordinateSystems": systems, "datasets": [dataset]}
    about = {"version": "0.6.dev1", "multiscales": [scales]} | more
    array = V3_ARRAY | {"shape": shape, "dimension_names": None}
    group = {"node_type": "group", "attributes": {"ome": about}}
    return {"zarr.json": group, "array/zarr.json": array}


def scale(*factors: float, **more: Any) -> dict[str, Any]:
    return {"type": "scale", "scale": factors, "input": "array", "output": "physical", **more}


SHIFT = {"type": "translation", "translation": [32, 21, 10]}


@pytest.mark.parametrize(
    ("transforms", "axes", "nm", "origin"),
    [
        ([scale(4, 3, 2)], "zyx", (4000, 3000, 2000), (0, 0, 0)),
        ([scale(2, 3, 4, output={"name": "physical"})], "xyz", (4000, 3000, 2000), (0, 0, 0)),
        (
            [{"type": "sequence", "transformations": [scale(4, 3, 2), SHIFT]}],
            *("zyx", (4000, 3000, 2000), (32000, 21000, 10000)),
        ),
        ([SHIFT, scale(4, 3, 2)], "zyx", (4000, 3000, 2000), (128000, 63000, 20000)),
        ([{"type": "identity", "output": "physical"}], "zyx", (1000, 1000, 1000), (0, 0, 0)),
        # The axes of the system are z, y, x; the dimensions of the array are y, x, z.
        (
            [scale(1, 2, 3), {"type": "mapAxis", "mapAxis": [2, 0, 1], "output": "physical"}],
            *("zyx", (3000, 1000, 2000), (0, 0, 0)),
        ),
        (
            [{"type": "affine", "output": "physical",
              "affine": [[0, 0, 3, 5], [1, 0, 0, 0], [0, 2, 0, 0]]}],
            *("zyx", (3000, 1000, 2000), (5000, 0, 0)),
        ),
    ],
)  # fmt: skip
def test_coordinate_systems(
    transforms: Any, axes: str, nm: Any, origin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (level,) = read(ome6(transforms, axes)).levels
    assert level.voxel_nm == nm
    assert level.translation_nm == origin
    sides = {(3000, 1000, 2000): (80, 40, 60), (4000, 3000, 2000): (40, 60, 80)}
    wanted = sides.get(nm, (40, 60, 80)) if axes == "zyx" else (80, 60, 40)
    assert level.shape == wanted
    assert not caplog.records


@pytest.mark.parametrize(
    ("transforms", "words"),
    [
        ([{"type": "rotation", "rotation": [[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]]}], "empty"),
        ([{"type": "displacements", "path": "field"}], "more than scales and shifts"),
        ([{"type": "mapAxis", "mapAxis": {"z": "a"}}], "more than scales and shifts"),
        ([scale(4, 3)], "taken to be z, y, x"),
        ([scale(4, -3, 2)], "along y is -3.0 micrometer: it is left empty"),
        (None, "left empty"),
    ],
)
def test_what_is_not_understood_is_told_and_left_empty(
    transforms: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    (level,) = read(ome6(transforms)).levels
    assert level.voxel_nm[1] is None
    assert words in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": [{"name": n, "unit": "furlong"} for n in "zyx"]}, "along z is 2.96 furlong"),
        ({"axes": [{"name": n} for n in ("a", "b", "c")]}, "called a, b, c, and are taken to be z"),
        ({"version": "0.9"}, "its version 0.9 is not known here"),
    ],
)
def test_early_versions_tell_likewise(
    change: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    documents = worlds.nacc("")
    documents[".zattrs"]["multiscales"][0] |= change
    read(documents)
    assert words in caplog.text


@pytest.mark.parametrize(
    "transforms",
    [
        [{"type": "scale", "path": "s0/scale"}],
        [scale(4, 3)],
        [{"type": "scale", "scale": [4, "three", 3]}],
        [scale(2, 2, 2), scale(4, 3, 3)],
        [{"type": "affine", "affine": [[4, 1, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0]]}],
        ["scale"],
    ],
)
@pytest.mark.parametrize("of_all", [False, True])
def test_transformations_of_early_versions_that_are_none_are_told(
    transforms: Any, of_all: bool, caplog: pytest.LogCaptureFixture
) -> None:
    documents = worlds.nacc("")
    scales = documents[".zattrs"]["multiscales"][0]
    holder = scales if of_all else scales["datasets"][0]
    holder["coordinateTransformations"] = transforms
    level = read(documents).levels[0]
    assert level.voxel_nm == (None, None, None)
    assert "its transformations are not one scale and one shift of numbers" in caplog.text
    holder["coordinateTransformations"] = [{"type": "identity"}, scale(2, 3, 4)]
    assert read(documents).levels[0].voxel_nm[1] == (12 if of_all else 3)


NM = ["30 nm", "4 nm", "0.005um"]


@pytest.mark.parametrize(
    ("told", "nm"),
    [
        (NM, (30, 4, 5)),
        ([[30, "nm"], [4, "nm"], "5 nm"], (30, 4, 5)),
        (["3e-8 m", None, "nm"], (30, None, 1)),
        (["30 nm", "4 nm"], (None, None, None)),
        (["30", "4 s", 5], (None, None, None)),
    ],
)
def test_dimension_units(told: Any, nm: Any) -> None:
    assert (
        read({"zarr.json": V3_ARRAY | {"attributes": {"dimension_units": told}}}).levels[0].voxel_nm
        == nm
    )
    second = {".zarray": worlds.PLAIN_ARRAY_V2, ".zattrs": {"dimension_units": told}}
    assert read(second).levels[0].voxel_nm == nm


@pytest.mark.parametrize(
    ("size", "mag", "path", "nm"),
    [
        ({"factor": [11.24, 11.24, 25.0], "unit": "nanometer"}, 1, "color/1", (25, 11.24, 11.24)),
        ({"factor": [0.5, 0.25, 1.0], "unit": "micrometer"}, "2-2-1", None, (1000, 500, 1000)),
        ([4, 5, 6], [4, 4, 2], "./color/4-4-2", (12, 20, 16)),
        ([4, 5, 6], 1, "other/1", (None, None, None)),
        ("none", 1, "color/1", (None, None, None)),
    ],
)
def test_datasets_of_webknossos(size: Any, mag: Any, path: str | None, nm: Any) -> None:
    own = {"mag": mag, "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}}
    mags = [{"mag": 8, "path": "color/8"}, own | ({"path": path} if path else {})]
    dataset = {"scale": size, "dataLayers": [{"name": "color", "mags": mags}]}
    name = {1: "1", "2-2-1": "2-2-1"}.get(str(mag) if isinstance(mag, str) else mag[0]
                                          if isinstance(mag, list) else mag, "4-4-2")  # fmt: skip
    array = worlds.PLAIN_ARRAY_V2 | {"shape": [1, 80, 60, 40], "chunks": [1, 32, 16, 8]}
    documents = {"datasource-properties.json": dataset, f"color/{name}/.zarray": array}
    level = read(documents, f"color/{name}/").levels[0]
    assert level.voxel_nm == nm
    if path != "other/1":  # nothing else says that the array counts c, x, y, z
        assert (level.shape, level.chunk, level.channels) == ((40, 60, 80), (8, 16, 32), 1)
        assert level.axes == ("c", "x", "y", "z")
        assert level.sha256 != read({"color/1/.zarray": array}, "color/1/").levels[0].sha256


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_transformations_of_strangers_raise_nothing(transform: Any, systems: Any) -> None:
    for listed in (transform, [transform], [{"type": "affine", "affine": transform}]):
        scales = {"coordinateSystems": systems}
        axes_in_system(scales, {"coordinateTransformations": listed}, 3)
