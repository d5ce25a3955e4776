"""What pages say of their images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.sources.web.page_text import voxel_columns

# The words of EPFL's page: first a region of the brain, then its voxels.
EPFL = (
    "represents a 5x5x5\u00b5m section taken from the CA1 hippocampus, corresponding to a "
    "1065x2048x1536 volume. The resolution of each voxel is approximately 5x5x5nm."
)


def test_voxels_are_told_from_regions() -> None:
    columns = voxel_columns(EPFL)
    assert [columns[f"voxel_{axis}_nm"] for axis in "xyz"] == [5.0, 5.0, 5.0]
    assert columns["voxel_z_from"] == "page text: voxel is approximately 5x5x5nm"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("voxel size 0.01 x 0.01 x 0.01 \u00b5m", 10.0),
        ("voxels of 8 nm x 8 nm x 8 nm", 8.0),
        ("resolution 4x4x40nm", None),  # which axis is which?
        ("voxels of 4x4x4nm, later of 8x8x8nm", None),
        ("a cube of 5x5x5nm", None),
        ("", None),
    ],
)
def test_what_is_not_plain_is_left_out(text: str, size: float | None) -> None:
    assert voxel_columns(text).get("voxel_x_nm") == (None if size is None else pytest.approx(size))


@given(st.text(max_size=500))
def test_any_text(text: str) -> None:
    voxel_columns(text)
    voxel_columns(f"voxel 1x1x1nm {text}")
