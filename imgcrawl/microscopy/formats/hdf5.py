"""HDF5, of which Imaris, BigDataViewer, EMD (Velox, NCEM), NeXus and MATLAB 7.3 are kinds.

The superblock says where the file ends. Source: the HDF5 File Format Specification, III.A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.formats.hdf5_facts import read_hdf5
from imgcrawl.microscopy.proof import corrupt, unpack, whole

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_MAGIC = b"\x89HDF\r\n\x1a\n"
_SIZES = {2: "H", 4: "I", 8: "Q"}
_STARTS = (0, 512, 1024, 2048, 4096)  # a block of the user's may come first
_END_ADDRESS = {0: 24, 1: 28, 2: 12, 3: 12}  # version: bytes before the base address


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    start = next((at for at in _STARTS if ranges.read(at, 8) == _MAGIC), 0)
    (version,) = unpack(ranges, start + 8, "<B", "the HDF5 superblock")
    if version not in _END_ADDRESS:
        raise corrupt(f"an HDF5 superblock of version {version}")
    (size,) = unpack(ranges, start + (13 if version < 2 else 9), "<B", "the HDF5 superblock")
    if size not in _SIZES:
        raise corrupt(f"an HDF5 file with offsets of {size} bytes")
    # Version 0, 1: base, free space, end of file; 2, 3: base, extension, end of file.
    place = start + _END_ADDRESS[version]
    base, _, end = unpack(ranges, place, f"<3{_SIZES[size]}", "the HDF5 superblock")
    if base not in {0, start} or not 0 < end < 1 << 62:
        raise corrupt(f"an HDF5 superblock whose file ends at byte {end:,}")
    # The address of the end counts from the beginning of the file in files of the library.
    proof = whole(ranges, end, "the HDF5 file")
    if size != 8:
        return FileFacts("HDF5", proof=proof)
    # Version 0, 1: behind the driver's address stands an entry: name, then the root's header.
    (root,) = unpack(ranges, place + (40 if version < 2 else 24), "<Q", "the HDF5 superblock")
    return FileFacts("HDF5", **read_hdf5(ranges, root, base, walk=options.walk), proof=proof)


def _is_hdf5(head: bytes) -> bool:
    return any(head[at : at + 8] == _MAGIC for at in _STARTS)


HDF5 = FileFormat(
    "HDF5",
    (
        *(".h5", ".hdf5", ".hdf", ".he5", ".ims", ".emd", ".nxs", ".h5oina", ".cxi", ".hspy"),
        *(".ilp", ".h5ad", ".loom", ".mat"),
    ),
    recognizes=_is_hdf5,
    describe=_describe,
)

# Its older kin of the same extension has another structure altogether.
HDF4 = FileFormat(
    "HDF4",
    (".hdf", ".h4"),
    recognizes=lambda head: head.startswith(b"\x0e\3\x13\1"),
    describe=lambda *_: FileFacts("HDF4"),
)
