"""The descriptions of TIFFs that makers of microscopes and cameras write, each in tags of its own.

What is not said there is read from the plain tags. Sources: tifffile, which parses most of them;
Aperio's, Hamamatsu's, Leica's and Ventana's descriptions as openslide documents them; the tags of
DigitalMicrograph and of JEOL as rosettasciio was found to read them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.facts import Extra, VoxelSizes
from imgcrawl.microscopy.tiff_page import X_RESOLUTION, Y_RESOLUTION, TiffHead, ratio
from imgcrawl.microscopy.units import iso_date, nanometres, number, positive, seconds
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable

MAKE, SOFTWARE, XMP = 271, 305, 700
ZEISS_SEM, LSM, STK, STK_PLANES, NDPI, EER = 34118, 34412, 33628, 33629, 65421, 65001
SIS = (33560, 33471)
# Of DigitalMicrograph: unit, and distance of pixels, along x, y, z.
GATAN = {"x": (65003, 65009), "y": (65004, 65010), "z": (65005, 65011)}
_GATAN_TAGS = tuple(tag for pair in GATAN.values() for tag in pair)
TAGS = (MAKE, XMP, ZEISS_SEM, LSM, STK, STK_PLANES, NDPI, EER, *SIS, *_GATAN_TAGS)

_MILLIMETRE = 1e6  # nanometres
_APERIO = re.compile(r"\|\s*([A-Za-z ]{1,40}?)\s*=\s*([^|\r\n]{1,100})")
_EER_ITEM = re.compile(rb'<item name="([^"]{1,80})"(?: unit="([^"]{0,20})")?>([^<]{1,200})<')
_ISCAN = re.compile(rb'\b(Magnification|ScanRes)\s*=\s*"([\d.]{1,20})"')
_SCN_VIEW = re.compile(r'<view\s[^<>]{0,300}?sizeX="(\d{1,15})"')
_SCN_PIXELS = re.compile(r'<pixels\s[^<>]{0,300}?sizeX="(\d{1,9})"')
_SCN_OBJECTIVE = re.compile(r"<objective>([\d.]{1,10})</objective>")
_JEOL_ITEM = re.compile(r"<(\w{1,60})>([^<]{1,200})</\1>")


@dataclass(slots=True)
class Made:
    """What a maker's tags say; facts: arguments of FileFacts."""

    kind: str
    voxels: VoxelSizes = field(default_factory=VoxelSizes)
    facts: dict[str, Any] = field(default_factory=dict)
    extra: Extra = field(default_factory=dict)
    planes: int = 1  # pictures that lie one behind the other, behind the first directory


def made_by(page: TiffHead) -> Made | None:
    """Return what the tags of a maker say of a file, or None if no maker that is known wrote it."""
    return next((found for maker in _MAKERS if (found := maker(page)) is not None), None)


def _zeiss_sem(page: TiffHead) -> Made | None:
    tag = page.tags.get(ZEISS_SEM)
    if not isinstance(tag, dict):
        return None

    def value(name: str) -> tuple[float | None, str]:
        """Return a value and its unit: entries are (label, value) or (label, value, unit)."""
        entry = tag.get(name)
        if not isinstance(entry, tuple) or len(entry) < 2:
            return None, ""
        return positive(entry[1]), str(entry[2]) if len(entry) > 2 else ""

    made = Made("Zeiss SEM TIFF")
    size = nanometres(*value("ap_image_pixel_size")) or nanometres(*value("ap_pixel_size"))
    plain = tag.get("")
    if size is None and isinstance(plain, tuple) and len(plain) > 3:
        # Metres of a display of 1024 columns.
        size = nanometres((positive(plain[3]) or 0) * 1024 / page.width, "m")
    for axis in "xy":
        made.voxels.add(axis, size, "Zeiss SEM tags")
    magnification, unit = value("ap_mag")
    voltage, volts = value("ap_actualkv")
    distance = nanometres(*value("ap_wd"))
    made.facts = {
        "magnification": magnification and magnification * (1000 if "K" in unit else 1),
        "voltage_v": voltage and voltage * (1000 if volts == "kV" else 1),
        "detector": _text(tag.get("dp_detector_channel")) or _text(tag.get("dp_detector_type")),
    }
    if distance:
        made.extra["working_distance_mm"] = float(f"{distance / 1e6:.6g}")
    return made


def _text(entry: object) -> str | None:
    return printable(str(entry[1])) if isinstance(entry, tuple) and len(entry) > 1 else None


def _lsm(page: TiffHead) -> Made | None:
    tag = page.tags.get(LSM)
    if not isinstance(tag, dict):
        return None
    made = Made("LSM TIFF")
    for axis in "xyz":
        made.voxels.add(axis, nanometres(tag.get(f"VoxelSize{axis.upper()}"), "m"), "LSM tag")
    names = {"z": "DimensionZ", "c": "DimensionChannels", "t": "DimensionTime"}
    for axis, name in names.items():
        size = positive(tag.get(name))
        made.facts[f"size_{axis}"] = int(size) if size else None
    if step := seconds(tag.get("TimeIntervall") or tag.get("TimeInterval"), "s"):
        made.extra["time_step_s"] = step
    return made


def _stk(page: TiffHead) -> Made | None:
    planes = page.tags.get(STK_PLANES)
    if planes is None:
        return None
    count = planes.get("NumberPlanes") if isinstance(planes, dict) else None
    made = Made("MetaMorph STK TIFF")
    made.planes = int(positive(count) or 1)
    tag = page.tags.get(STK)
    if isinstance(tag, dict):
        unit = {"um": "um", "\u00b5m": "um"}.get(str(tag.get("CalibrationUnits")))
        for axis in "xy":
            step = tag.get(f"{axis.upper()}Calibration")
            made.voxels.add(axis, nanometres(step, unit), "MetaMorph tags")
    made.facts["size_z"] = made.planes if made.planes > 1 else None
    return made


def _sis(page: TiffHead) -> Made | None:
    tag = next((found for code in SIS if isinstance(found := page.tags.get(code), dict)), None)
    if tag is None:
        return None
    made = Made("Olympus SIS TIFF")
    sizes = {axis: nanometres(number(tag.get(f"pixelsize{axis}")), "m") for axis in "xy"}
    # A metre, magnified once, stands for what was not calibrated: the overview in a VSI.
    is_calibrated = all(size is None or size < _MILLIMETRE for size in sizes.values())
    for axis, size in sizes.items():
        made.voxels.add(axis, size if is_calibrated else None, "SIS tag")
    camera = tag.get("cameraname")
    made.facts = {
        "magnification": positive(tag.get("magnification")) if is_calibrated else None,
        "detector": printable(camera) if isinstance(camera, str) and camera else None,
        "acquired": iso_date(str(tag.get("datetime", ""))),
    }
    return made


def _aperio(page: TiffHead) -> Made | None:
    if not page.description.startswith("Aperio"):
        return None
    fields = {name.lower(): value.strip() for name, value in _APERIO.findall(page.description)}
    made = Made("Aperio SVS TIFF", facts={"magnification": positive(fields.get("appmag"))})
    for axis in "xy":
        made.voxels.add(axis, nanometres(fields.get("mpp"), "um"), "Aperio MPP")
    return made


def _ndpi(page: TiffHead) -> Made | None:
    if NDPI not in page.tags:
        return None
    made = Made("NDPI TIFF", facts={"magnification": positive(page.tags.get(NDPI))})
    for axis, code in (("x", X_RESOLUTION), ("y", Y_RESOLUTION)):
        per_cm = ratio(page.tags.get(code))
        made.voxels.add(axis, nanometres(1 / per_cm, "cm") if per_cm else None, "NDPI resolution")
    return made


def _leica_scn(page: TiffHead) -> Made | None:
    if "leica-microsystems.com/scn" not in page.description[:1000]:
        return None
    made = Made("Leica SCN TIFF")
    view, pixels = (tag.search(page.description) for tag in (_SCN_VIEW, _SCN_PIXELS))
    if view and pixels and positive(pixels[1]):
        for axis in "xy":
            made.voxels.add(axis, nanometres(int(view[1]) / int(pixels[1]), "nm"), "SCN view")
    if objective := _SCN_OBJECTIVE.search(page.description):
        made.facts["magnification"] = positive(objective[1])
    return made


def _ventana(page: TiffHead) -> Made | None:
    xmp = page.tags.get(XMP)
    if not isinstance(xmp, bytes) or b"<iScan" not in xmp:
        return None
    fields = {name: value.decode("ascii") for name, value in _ISCAN.findall(xmp)}
    made = Made("Ventana BIF TIFF", facts={"magnification": positive(fields.get(b"Magnification"))})
    for axis in "xy":
        made.voxels.add(axis, nanometres(fields.get(b"ScanRes"), "um"), "iScan ScanRes")
    return made


def _eer(page: TiffHead) -> Made | None:
    tag = page.tags.get(EER)
    if not isinstance(tag, bytes | str) or not page.compression.startswith("eer"):
        return None
    data = tag.encode("utf-8", "replace") if isinstance(tag, str) else tag
    items = {
        name.decode("utf-8", "replace"): (value.decode("utf-8", "replace"), unit.decode("latin-1"))
        for name, unit, value in _EER_ITEM.findall(data)
    }
    made = Made("EER TIFF")
    for axis, name in (("x", "sensorPixelSize.width"), ("y", "sensorPixelSize.height")):
        made.voxels.add(axis, nanometres(*items.get(name, ("", ""))), "EER metadata")
    for column, name in (("dose", "totalDose"), ("exposure", "exposureTime")):
        if (value := positive(items.get(name, ("",))[0])) is not None:
            made.extra[column] = value
    frames = positive(items.get("numberOfFrames", ("",))[0])
    made.facts = {
        "size_t": int(frames) if frames else None,
        "detector": printable(items.get("commercialName", ("",))[0]) or None,
        "acquired": iso_date(items.get("timestamp", ("",))[0].strip()),
    }
    return made


def _gatan(page: TiffHead) -> Made | None:
    if GATAN["x"][1] not in page.tags or GATAN["x"][0] not in page.tags:
        return None
    made = Made("Gatan TIFF")
    for axis, (unit, step) in GATAN.items():
        name = page.tags.get(unit)
        name = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
        made.voxels.add(axis, nanometres(page.tags.get(step), name), "DigitalMicrograph tags")
    return made


def _jeol(page: TiffHead) -> Made | None:
    if (
        not str(page.tags.get(MAKE, "")).startswith("JEOL")
        or "<TemReporter" not in page.description
    ):
        return None
    items = dict(_JEOL_ITEM.findall(page.description))
    made = Made("JEOL TIFF", facts={"voltage_v": positive(items.get("AccelerationVoltage"))})
    magnification = positive(items.get("SelectorValue"))
    if items.get("ModeString") != "MAG" or magnification is None:
        return made  # what its resolution says is an angle
    made.facts["magnification"] = magnification
    unit = {2: "inch", 3: "cm"}.get(page.tags.get(296, 2))
    for axis, code in (("x", X_RESOLUTION), ("y", Y_RESOLUTION)):
        per_unit = ratio(page.tags.get(code))  # on the camera
        size = nanometres(1 / per_unit / magnification, unit) if per_unit else None
        made.voxels.add(axis, size, "JEOL resolution and magnification")
    return made


def _streak(page: TiffHead) -> Made | None:
    """Recognize a picture of a streak camera, whose axes are time and wavelength."""
    software = str(page.tags.get(SOFTWARE, ""))
    return Made("Hamamatsu streak TIFF") if software.startswith("HPD-TA") else None


_MAKERS: tuple[Callable[[TiffHead], Made | None], ...] = (
    *(_zeiss_sem, _lsm, _stk, _sis, _aperio, _ndpi, _leica_scn, _ventana, _eer, _gatan, _jeol),
    _streak,
)
