"""Every format that is known, and which of them a name promises."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from imgcrawl.microscopy.dm_facts import DM
from imgcrawl.microscopy.formats.camera_movies import CAMERA_MOVIES
from imgcrawl.microscopy.formats.compressed import COMPRESSED
from imgcrawl.microscopy.formats.czi import CZI
from imgcrawl.microscopy.formats.detector_files import CBF, FITS, SMV
from imgcrawl.microscopy.formats.dicom import DICOM
from imgcrawl.microscopy.formats.dv import DV
from imgcrawl.microscopy.formats.em import EM
from imgcrawl.microscopy.formats.emi import EMI
from imgcrawl.microscopy.formats.ets import ETS
from imgcrawl.microscopy.formats.hdf5 import HDF4, HDF5
from imgcrawl.microscopy.formats.imagic import IMAGIC
from imgcrawl.microscopy.formats.lif import LIF
from imgcrawl.microscopy.formats.media_boxes import MEDIA
from imgcrawl.microscopy.formats.meta_image import META_IMAGE
from imgcrawl.microscopy.formats.mrc import MRC
from imgcrawl.microscopy.formats.nd2 import ND2
from imgcrawl.microscopy.formats.nifti import NIFTI
from imgcrawl.microscopy.formats.nrrd import NRRD
from imgcrawl.microscopy.formats.obf import OBF
from imgcrawl.microscopy.formats.ole import OLE
from imgcrawl.microscopy.formats.plain_rasters import BLO, KLB, NPY, PIC, TPX3
from imgcrawl.microscopy.formats.ser import SER
from imgcrawl.microscopy.formats.seven_zip import SEVEN_ZIP
from imgcrawl.microscopy.formats.sif import SIF
from imgcrawl.microscopy.formats.signatures import SIGNATURES
from imgcrawl.microscopy.formats.spectrum_images import SPECTRUM_IMAGES
from imgcrawl.microscopy.formats.spider import SPIDER
from imgcrawl.microscopy.formats.tar_archive import TAR
from imgcrawl.microscopy.formats.text_files import TEXTS
from imgcrawl.microscopy.formats.zip_archive import ZIP
from imgcrawl.microscopy.picture_facts import PICTURES
from imgcrawl.microscopy.tiff_facts import TIFF

if TYPE_CHECKING:
    from imgcrawl.microscopy.format import FileFormat

# Each is asked in turn whether it recognizes a file.
FORMATS: tuple[FileFormat, ...] = (
    *(DM, TIFF, *PICTURES),
    *(
        MRC,
        HDF5,
        HDF4,
        CZI,
        ND2,
        LIF,
        OLE,
        DICOM,
        NIFTI,
        NRRD,
        META_IMAGE,
        DV,
        SER,
        IMAGIC,
        SPIDER,
        EM,
    ),
    *(BLO, KLB, NPY, PIC, TPX3, SMV, CBF, FITS, *CAMERA_MOVIES, *SPECTRUM_IMAGES),
    *(OBF, ETS, EMI, SIF),
    *(*MEDIA, *SIGNATURES),
    *(ZIP, *COMPRESSED, TAR, SEVEN_ZIP, *TEXTS),
)

# Extensions that programs also use for binary files of their own: what is none of the formats of
# the extension is kept there as it came, unchecked. Text is refused under them.
SHARED = frozenset({".vol", ".pic", ".hdr", ".img", ".raw", ".ids", ".bin", ".tvips"})

_promised: dict[str, list[FileFormat]] = defaultdict(list)
for _format in FORMATS:
    for _extension in _format.extensions:
        _promised[_extension].append(_format)


def extension_of(name: str) -> str:
    """Return the longest end of a name that is an extension of a format, or its last one."""
    base = name.lower().rpartition("/")[2]
    ends = [base[at:] for at, letter in enumerate(base) if letter == "." and at]
    known = next((end for end in ends if end in _promised or end in SHARED), None)
    return known or (ends[-1] if ends else "")


def promised(name: str) -> tuple[FileFormat, ...]:
    """Return the formats of which a file of this name may be; none if the name says nothing."""
    return tuple(_promised.get(extension_of(name), ()))
