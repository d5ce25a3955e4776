"""The XML of BigDataViewer beside its HDF5 or N5: the only place that has the size of a voxel.

Source: the documentation of BigDataViewer's XML (imagej.net).
"""

from __future__ import annotations

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.markup import content, elements, section
from imgcrawl.microscopy.units import nanometres, positive


def read_bdv(text: str) -> FileFacts:
    """Return the facts of the first set-up that the XML lists; sizes count from x."""
    setup = section(text, "ViewSetup")
    voxel = section(setup, "voxelSize")
    voxels = VoxelSizes()
    for axis, word in zip("xyz", (content(voxel, "size") or "").split(), strict=False):
        voxels.add(axis, nanometres(word, content(voxel, "unit")), "file: BDV voxelSize")
    outside = setup.replace(voxel, "") if voxel else setup
    sides = [positive(word) for word in (content(outside, "size") or "").split()]
    sizes = {f"size_{a}": int(n) for a, n in zip("xyz", sides, strict=False) if n}
    count = len(elements(text, "ViewSetup"))
    return FileFacts(
        "BigDataViewer XML",
        **sizes,  # type: ignore[arg-type]
        extra={"setups": count} if count > 1 else {},
        **voxels.facts(),
    )
