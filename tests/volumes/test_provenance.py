from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.records.volume import Chunks, CubeMember, Raw, VolumeAddress
from imgcrawl.volumes.crop.provenance import (
    Provenance,
    ProvenanceFile,
    check_crop,
    crop_bytes,
    format_provenance,
    make_provenance,
    parse_provenance,
    read_provenance,
)
from tests.volumes.crops import made_crop

if TYPE_CHECKING:
    from pathlib import Path


def made() -> Provenance:
    crop = replace(made_crop("tiff", (1, 5, 6, 7), "int16"), seed=0, draw=3)
    return make_provenance(
        [CubeMember("s0/1", "cubes/a.ome.tif", crop)],
        [Raw("", (1, 5, 6, 7), "int16", chunks=Chunks(7, 1, 0))],
        ["cd" * 32],
        [],
        "https://viewer.example/#!{}",
        file=ProvenanceFile(name="cubes/a.ome.tif", bytes=420, sha256="ef" * 32),
        made_at="2026-11-21T12:00:00Z",
    )


def told() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(format_provenance(made()))
    return loaded


def test_what_is_written_is_read_again() -> None:
    assert parse_provenance(format_provenance(made())) == made()
    assert parse_provenance(format_provenance(made()).encode()).crop == made().crop


def test_people_find_all_that_a_methods_section_asks_for() -> None:
    shown = told()["for_people"]
    assert shown["source"] == "s3://b/a.zarr/s0"
    assert shown["origin"] == [128, 192, 320]
    assert shown["shape"] == [5, 6, 7]
    assert shown["voxel"] == [2.96, 4.0, 4.0]
    assert shown["origin_nm"] == pytest.approx([10 + 128 * 2.96, 20 + 192 * 4.0, 1280.0])
    assert shown["size_nm"] == pytest.approx([14.8, 24.0, 28.0])
    assert (shown["axes"], shown["dtype"], shown["unit"]) == ("zyx", "int16", "nanometer")
    assert (shown["seed"], shown["draw"]) == (0, 3)
    assert set(told()["versions"]) == {"imgcrawl", "tensorstore"}
    assert told()["chunks"] == {"present": 7, "missing": 1, "forbidden": 0}
    assert crop_bytes(made().crop) == 5 * 6 * 7 * 2


def changed(where: str, value: Any) -> str:
    loaded = told()
    *path, last = where.split(".")
    place = loaded
    for name in path:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(loaded)


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("schema", 2, "has schema 2, and imgcrawl"),
        ("schema", True, "schema True"),
        ("schema", ..., "no schema"),
        ("crop", ..., "crop: Field required"),
        ("crop.origin", [0, 0], "crop.origin"),
        ("crop.origin", ["0", 0, 0], "crop.origin"),
        ("crop.origin", [-1, 0, 0], "its level 0 to"),
        ("crop.origin", [10**9, 0, 0], "the crop has z 1000000000 to 1000000005"),
        ("crop.shape", [5, 6, 10**9], "the crop has x"),
        ("crop.shape", [0, 6, 7], "one at least"),
        ("crop.level.shape", [2**60, 2**60, 2**60], "one at least"),
        ("crop.level.dtype", "object", "no type 'object'"),
        ("crop.level.channels", 2**40 + 1, "one at least"),
        ("crop.level.voxel_nm", [0.0, 1.0, 1.0], "above 0"),
        ("crop.level.voxel_nm", [float("nan"), 1.0, 1.0], "finite"),
        ("crop.level.axes", ["z", "y", "y"], "axes"),
        ("crop.level.address.url", "ftp://a.example/b/", "no folder of a store"),
        ("crop.level.address.url", "https://a.example/b/?c", "no folder of a store"),
        ("crop.level.address.url", "https:///b/", "no folder of a store"),
        ("crop.level.address.url", "https://[b/", "IPv6"),
        ("crop.level.driver", "kvstack", "crop.level.driver"),
        ("crop.format", "exe", "crop.format"),
        ("crop.time", 1, "time 1 of 1"),
        ("crop.more", 1, "crop.more"),
        ("voxels_sha256", "AB" * 32, "voxels_sha256"),
        ("voxels_sha256", "ab" * 32 + "\n", "voxels_sha256"),
        ("record_id", "", "record_id"),
        ("record_id", "\ud800", "Invalid JSON"),
        ("file.bytes", -1, "file.bytes"),
        ("chunks.present", 1.5, "chunks.present"),
    ],
)
def test_what_is_wrong_is_said(where: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_provenance(changed(where, value))
    assert words in str(refused.value)


def test_a_file_is_named_with_its_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.crop.json"
    with pytest.raises(ValueError, match=r"a.crop.json cannot be read: No such file"):
        read_provenance(path)
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match=r"a.crop.json: no JSON"):
        read_provenance(path)
    path.write_bytes(b" " * (2 << 20))
    with pytest.raises(ValueError, match="far shorter"):
        read_provenance(path)
    with pytest.raises(ValueError, match="no JSON"):
        parse_provenance("[" * 500_000)


@settings(max_examples=200, deadline=None)
@given(text=st.one_of(st.text(), st.binary()))
def test_any_bytes_are_a_provenance_or_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_provenance(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PLACES = ["schema", "record_id", "url", "crop", "chunks", "voxels_sha256", "file", "made_at"]
PLACES += [f"crop.{name}" for name in told()["crop"]]
PLACES += [f"crop.level.{name}" for name in told()["crop"]["level"]]


@settings(max_examples=300, deadline=None)
@given(where=st.sampled_from(PLACES), value=VALUES)
def test_any_value_anywhere_is_read_or_refused(where: str, value: Any) -> None:
    try:
        provenance = parse_provenance(changed(where, value))
    except ValueError:
        return
    check_crop(provenance.crop)  # what is read can be fetched
    assert parse_provenance(format_provenance(provenance)) == provenance


def test_a_folder_of_this_machine_can_be_named() -> None:
    crop = made_crop("npy", (1, 5, 6, 7), "uint8", address=VolumeAddress("/a/b", "file:///a/b/"))
    check_crop(crop)
