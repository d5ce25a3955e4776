"""HDF5: its largest dataset, by a few reads, of files that HDF5's own library wrote."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.formats.hdf5_objects import shape_of, type_of
from imgcrawl.microscopy.proof import Checked, Proof
from imgcrawl.microscopy.ranges import CachedRanges, bytes_ranges
from imgcrawl.records.errors import RecordMissing

RECORDED = Path(__file__).parents[1] / "recorded" / "hdf5"
FILES = {
    path.name: path.read_bytes()
    for path in RECORDED.glob("*.[hie]*")
    if path.name != "heap.h5"  # by h5py: test_library_process
}


@pytest.mark.parametrize("name", ["older.h5", "newer.h5"])
def test_the_largest_dataset(name: str) -> None:
    cached = CachedRanges(bytes_ranges(FILES[name]))
    facts = describe(cached, name=name, walk=False)
    assert cached.requests == 1
    assert (facts.size_z, facts.size_y, facts.size_x, facts.dtype) == (20, 300, 400, "uint16")
    assert (facts.voxel_z_nm, facts.voxel_y_nm, facts.voxel_x_nm) == (50.0, 8.0, 8.0)
    assert facts.extra == {"dataset": "/a/raw", "shape": "20 x 300 x 400"}
    assert facts.proof == Proof(Checked.WHOLE)


def test_imaris_says_itself_how_large_its_picture_is() -> None:
    facts = describe(bytes_ranges(FILES["imaris.ims"]), name="a.ims")
    assert (facts.size_z, facts.size_y, facts.size_x, facts.dtype) == (33, 256, 512, "uint8")
    assert (facts.voxel_z_nm, facts.voxel_y_nm, facts.voxel_x_nm) == (500.0, 100.0, 100.0)


def test_velox_keeps_frames_last() -> None:
    facts = describe(bytes_ranges(FILES["velox.emd"]), name="a.emd")
    assert (facts.size_t, facts.size_y, facts.size_x) == (2, 512, 1024)


def test_each_cut_is_seen() -> None:
    for name, data in FILES.items():
        for end in (len(data) - 1, len(data) // 2):
            with pytest.raises(RecordMissing):
                describe(bytes_ranges(data[:end]), name=name)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_damage_costs_at_most_the_description(name: str, data: st.DataObject) -> None:
    file = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(file) - 1))
        file[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RecordMissing):
        describe(bytes_ranges(bytes(file)), name=name)


def test_a_tree_that_leads_to_itself_ends() -> None:
    file = bytearray(FILES["older.h5"])
    tree = file.index(b"TREE")
    file[tree + 5] = 1  # a node of nodes
    struct.pack_into("<H", file, tree + 6, 3)
    for n in range(3):
        struct.pack_into("<Q", file, tree + 24 + 16 * n + 8, tree)
    assert describe(bytes_ranges(bytes(file)), name="a.h5").size_x is None


def test_shapes_and_types() -> None:
    assert shape_of(b"\1\2\0\0\0\0\0\0" + struct.pack("<2Q", 3, 4)) == (3, 4)
    assert shape_of(b"\2\1\0\1" + struct.pack("<Q", 9)) == (9,)
    assert shape_of(b"\2\0\0\2") is shape_of(b"") is shape_of(b"\1\x09" + bytes(6)) is None
    assert type_of(b"\x10\x08\0\0\2\0\0\0") == ("int16", 2)
    assert type_of(b"\x11\x20\x3f\0\4\0\0\0") == ("float32", 4)
    assert type_of(b"\x16\0\0\0\x40\0\0\0") == (None, 64)


@pytest.mark.parametrize("walk", [False, True])
def test_velox_describes_a_picture_that_is_smaller_than_its_description(walk: bool) -> None:
    cached = CachedRanges(bytes_ranges(FILES["velox-small.emd"]))
    facts = describe(cached, name="a.emd", walk=walk)
    assert (facts.size_t, facts.size_y, facts.size_x, facts.dtype) == (2, 6, 5, "complex64")
    assert (facts.voxel_y_nm, facts.voxel_x_nm, facts.voltage_v) == (0.5, 0.25, 300_000.0)
    assert (facts.detector, facts.magnification) == ("HAADF", 1_200_000.0)
    assert facts.acquired == "2019-12-05T10:03:44Z"
    assert facts.extra["instrument"] == "Titan"


def test_axes_that_stand_beside_a_picture() -> None:
    ncem = describe(bytes_ranges(FILES["ncem.emd"]), name="a.emd")
    # x is the slowest axis here, and the fastest is one of angles.
    assert (ncem.size_z, ncem.size_y, ncem.size_x) == (None, 7, 6)
    assert (ncem.voxel_z_nm, ncem.voxel_y_nm, ncem.voxel_x_nm) == (None, 0.5, 0.25)
    assert ncem.voxel_source == {"y": "file: EMD dimensions", "x": "file: EMD dimensions"}
    hyperspy = describe(bytes_ranges(FILES["axes.hspy"]), name="a.hspy")
    assert (hyperspy.size_y, hyperspy.voxel_y_nm, hyperspy.voxel_x_nm) == (7, 0.5, 0.25)


def test_colours_are_no_columns() -> None:
    facts = describe(bytes_ranges(FILES["colour.h5"]), name="a.h5")
    assert (facts.size_y, facts.size_x, facts.size_c, facts.size_z) == (6, 7, 3, None)


def test_what_stands_beside_a_picture_may_be_damaged() -> None:
    file = bytearray(FILES["velox-small.emd"])
    file[file.index(b'{"BinaryResult"')] = 0xFF
    facts = describe(bytes_ranges(bytes(file)), name="a.emd")
    assert (facts.size_x, facts.voxel_x_nm) == (5, None)
