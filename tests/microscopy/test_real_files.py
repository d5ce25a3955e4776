"""Files of real instruments, as packages ship them for their own tests; none is copied here.

    pip download --no-deps --no-binary :all: mrcfile==1.5.4 oiffile==2026.2.8 -d DIR
    pip download --no-deps nibabel==5.4.2 pydicom==3.0.2 -d DIR  # wheels, with their files

Unpack them below DIR and set REAL_FILES=DIR. The values are those of the packages' own readers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from imgcrawl.microscopy.merge import describe_file
from imgcrawl.microscopy.proof import Checked
from imgcrawl.records.errors import RecordMissing

ROOT = Path(os.environ.get("REAL_FILES", "/nonexistent"))
pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="REAL_FILES names no folder")

SAID: dict[str, dict[str, Any]] = {
    "mrcfile-1.5.4/tests/test_data/EMD-3197.map": {"size_z": 20, "voxel_x_nm": 1.14},
    "mrcfile-1.5.4/tests/test_data/EMD-3001.map": {"size_x": 73, "voxel_x_nm": 0.045875},
    "mrcfile-1.5.4/tests/test_data/emd_3001.map.gz": {"format": "MRC, gzip", "size_y": 43},
    "mrcfile-1.5.4/tests/test_data/EMD-3197.map.bz2": {"format": "MRC, bzip2", "size_y": 20},
    "mrcfile-1.5.4/tests/test_data/fei-extended.mrc": {
        "size_x": 3710,
        "dtype": "uint16",
        "voltage_v": 300_000.0,
        "magnification": 165_000.0,
        "detector": "EF-CCD",
    },
    "mrcfile-1.5.4/tests/test_data/epu2.9_example.mrc": {
        "size_x": 4096,
        "voltage_v": 300_000.0,
        "magnification": 120_000.0,
        "detector": "BM-Falcon",
    },
    "oiffile-2026.2.8/test.oib": {
        "format": "OLE (OIB)",
        "size_c": 3,
        "voxel_x_nm": 177.0,
        "acquired": "2012-07-26T15:13:35",
    },
    "nibabel/tests/data/anatomical.nii": {"size_z": 25, "dtype": "int16", "voxel_x_nm": 2e6},
    "nibabel/tests/data/example_nifti2.nii.gz": {"size_t": 2, "voxel_y_nm": 2e6},
    "nibabel/tests/data/analyze.hdr": {"format": "NIfTI (Analyze)", "size_y": 109},
    "pydicom/data/test_files/CT_small.dcm": {"size_x": 128, "dtype": "int16"},
}
# Of pydicom's files, what it says itself is cut, or begins with no element.
CUT = {"MR_truncated.dcm", "rtplan_truncated.dcm", "no_meta.dcm"}


def place(name: str) -> Path:
    found = [path for path in (ROOT / name, *ROOT.glob(f"*/{name}")) if path.is_file()]
    if not found:
        pytest.skip(f"{name} is not below REAL_FILES")
    return found[0]


@pytest.mark.parametrize("name", SAID)
def test_a_real_file(name: str) -> None:
    file = place(name)
    facts = describe_file(file, file.name)
    assert facts.proof.checked is Checked.WHOLE
    for field, value in SAID[name].items():
        found = getattr(facts, field)
        assert found == pytest.approx(value) if isinstance(value, float) else found == value


def test_all_files_of_pydicom() -> None:
    folder = place("pydicom/data/test_files/CT_small.dcm").parent
    refused = set()
    for file in folder.rglob("*.dcm"):
        try:
            describe_file(file, file.name)
        except RecordMissing:
            refused.add(file.name)
    assert refused == CUT


def test_each_cut_of_a_real_file_is_seen(tmp_path: Path) -> None:
    for name in ("mrcfile-1.5.4/tests/test_data/EMD-3001.map", "oiffile-2026.2.8/test.oib"):
        data = place(name).read_bytes()
        cut = tmp_path / "cut"
        for end in (len(data) // 3, len(data) - 600):
            cut.write_bytes(data[:end])
            with pytest.raises(RecordMissing):
                describe_file(cut, name)
