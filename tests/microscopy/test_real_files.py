"""Files of real instruments, as packages ship them for their own tests; none is copied here.

    pip download --no-deps --no-binary :all: mrcfile==1.5.4 oiffile==2026.2.8 -d DIR
    pip download --no-deps nibabel==5.4.2 pydicom==3.0.2 -d DIR  # wheels, with their files
    pip download --no-deps --no-binary :all: mrc==0.4.0 pims-nd2==1.1 pyklb==0.3.0 \\
        bioio-vsi==0.1.0 -d DIR
    git clone https://github.com/hyperspy/rosettasciio  # at bc254db1; and, beside it,
    fujiisoup/sif_parser, ercius/openNCEM, AllenCellModeling/aicspylibczi, sebi06/czitools,
    Arcadia-Science/readlif

Unpack them below DIR and set REAL_FILES=DIR. The values are those of the packages' own readers, or
of rosettasciio, ncempy, pylibCZIrw, czifile, liffile and nd2. What each of these formats is read by
is tried without them, too, on files that are written here (`test_headers`, `test_hdf5`).
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
    "mrc-0.4.0/tests/toxo.dv": {"size_z": 17, "size_c": 2, "voxel_z_nm": 300.0},
    "pims_nd2-1.1/pims_nd2/cluster.nd2": {
        "size_z": 10,
        "size_c": 2,
        "size_t": 3,
        "voxel_z_nm": 500.0,
        "voxel_x_nm": 167.80898,
        "magnification": 60.0,
    },
    "bioio_vsi-0.1.0/bioio_vsi/tests/resources/_vsi-ets-test-jpg2k_/stack1/frame_t_0.ets": {
        "size_x": 1645,
        "size_y": 1682,
        "dtype": "uint16",
        "compression": "jpeg2000",
    },
    "bioio_vsi-0.1.0/bioio_vsi/tests/resources/vsi-ets-test-jpg2k.vsi": {"voxel_x_nm": None},
    "pyklb-0.3.0/external/klb/testData/img.klb": {"size_z": 29, "size_x": 101, "dtype": "uint16"},
    "rsciio/tests/data/emd/fei_example_tem_stack.emd": {
        "size_t": 2,
        "size_y": 3,
        "dtype": "int16",
        "voxel_x_nm": 0.00817288,
    },
    "rsciio/tests/data/emd/fei_example_complex_fft.emd": {"size_x": 4, "dtype": "complex64"},
    "rsciio/tests/data/emd/FFTComplexEven.emd": {"size_x": 128, "voxel_x_nm": 27.1153},
    "rsciio/tests/data/emd/Si100_3D.emd": {"size_z": None, "size_y": 22, "voxel_x_nm": 0.25},
    "rsciio/tests/data/tia/old/16x16_STEM_BF_DF_acquire_1.ser": {"voxel_x_nm": 21.510044},
    "rsciio/tests/data/tia/old/64x64_diffraction_acquire_1.ser": {"voxel_x_nm": None},
    "rsciio/tests/data/tia/old/03_Scanning Preview_1.ser": {"size_t": 5, "voxel_x_nm": 0.3843525},
    "rsciio/tests/data/blockfile/test1.blo": {"size_x": 144, "voltage_v": 200_000.0},
    "rsciio/tests/data/bruker/Hitachi_TM3030Plus.bcf": {"format": "BCF"},
    "rsciio/tests/data/bruker/bcf-edx-ebsd.bcf": {"format": "BCF"},
    "rsciio/tests/data/renishaw/renishaw_test_map.wdf": {"format": "WDF"},
    "rsciio/tests/data/hamamatsu/xaxis_other.img": {"size_y": 508, "dtype": "uint16"},
    "rsciio/tests/data/mrc/HAADFscan.mrc": {"voxel_x_nm": 5.679131, "detector": "BM-Ceta"},
    "ncempy/data/16_STOimage_1.ser": {"size_x": 1024, "voxel_x_nm": 0.0100127},
    "ncempy/data/Acquisition_18.emd": {"size_x": 1024, "voxel_x_nm": 0.0122465},
    "ncempy/data/Camera Ceta Imaging Micro.emd": {"voxel_x_nm": 3.138837, "voltage_v": 300_000.0},
    "aicspylibczi/tests/resources/mosaic_test.czi": {"size_x": 1756, "voxel_x_nm": 1083.33333},
    "c_tests/resources/CD_s_1_t_3_c_2_z_5.czi": {"size_t": 3, "size_c": 2, "size_z": 5},
    "c_tests/resources/RGB-multichannel.czi": {"size_c": 21, "dtype": "uint8"},
    "data/FOV7_HV110_P0500510000.czi": {"size_x": 512, "size_y": 512, "dtype": "uint8"},
    "data/CellDivision_T3_Z5_CH2_X240_Y170_comp1.czi": {"size_t": 3, "compression": "zstd"},
    "data/LLS7_small.czi": {"size_z": 3, "size_t": 2, "voxel_z_nm": 144.992},
    "tests/artifacts/xz-example/xz-example.lif": {"size_y": 23, "size_z": 128, "size_c": 2},
    "tests/artifacts/misc/LeicaLASX_wavelength-sweep_example.lif": {"size_c": 10, "size_z": 11},
    "testings/public_testdata/image.sif": {"size_x": 512, "size_y": 512, "detector": "DU897_BV"},
    "testings/issue33/measurement.sif": {"size_x": 1024, "size_t": 20, "dtype": "float32"},
    "testings/issue27/test.sif": {"size_x": 256, "extra": {"exposure": 0.01457}},
    "testings/step_and_glue/step_and_glue.sif": {"size_x": 4711, "size_y": 1},
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
    assert facts.conflicts == ""
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


def test_all_files_of_jeols_analysis_station() -> None:
    folder = place("rsciio/tests/data/jeol/Sample/00_View000/View000_0000001.map").parents[2]
    files = [*folder.rglob("*.map"), *folder.rglob("*.pts"), *folder.rglob("*.img")]
    assert {describe_file(file, file.name).format for file in files} == {"JEOL"}
    assert len(files) > 20


def test_all_files_of_tia_say_what_the_microscope_was_set_to() -> None:
    folder = place("rsciio/tests/data/tia/old/64x64_TEM_images_acquire.emi").parent
    files = [*folder.glob("*.emi")]
    volts = {describe_file(file, file.name).voltage_v for file in files}
    assert volts == {200_000.0, 300_000.0}
    assert len(files) == 14


CUT_FILES = (
    "testings/public_testdata/image.sif",
    "mrcfile-1.5.4/tests/test_data/EMD-3001.map",
    "oiffile-2026.2.8/test.oib",
    "rsciio/tests/data/bruker/Hitachi_TM3030Plus.bcf",
    "c_tests/resources/CD_s_1_t_3_c_2_z_5.czi",
    "tests/artifacts/xz-example/xz-example.lif",
    "pims_nd2-1.1/pims_nd2/cluster.nd2",
    "rsciio/tests/data/tia/old/16x16x5_STEM_BF_DF_preview_1.ser",
)


def test_each_cut_of_a_real_file_is_seen(tmp_path: Path) -> None:
    for name in CUT_FILES:
        data = place(name).read_bytes()
        cut = tmp_path / "cut"
        for end in (len(data) // 3, len(data) - 600):
            cut.write_bytes(data[:end])
            with pytest.raises(RecordMissing):
                describe_file(cut, name)
