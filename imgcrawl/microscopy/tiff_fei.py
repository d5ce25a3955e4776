"""The description of a TIFF of a microscope by FEI, today Thermo Fisher: tags 34680 and 34682."""

from __future__ import annotations

from typing import Any

from imgcrawl.microscopy.facts import Extra, FileFacts, VoxelSizes
from imgcrawl.microscopy.tiff_page import TiffHead, tiff_facts
from imgcrawl.microscopy.units import iso_date, nanometres, number, positive
from imgcrawl.text.redact import printable


def describe_fei(
    page: TiffHead, pages: int | None, fei: dict[str, Any], *, private: bool
) -> FileFacts:
    """Return what the tags of FEI say; private: names of persons too."""

    def at(*path: str) -> object:
        found: Any = fei
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    voxels = VoxelSizes()
    for axis, name in (("x", "PixelWidth"), ("y", "PixelHeight")):
        for scan in ("Scan", "EScan"):
            voxels.add(axis, nanometres(at(scan, name), "m"), "FEI tags")
    extra: Extra = {}
    for column, value, factor in (
        ("working_distance_mm", at("Stage", "WorkingDistance") or at("EBeam", "WD"), 1e3),
        ("dwell_us", at("Scan", "Dwelltime") or at("EScan", "Dwell"), 1e6),
    ):
        if (found := positive(value)) is not None:
            extra[column] = float(f"{found * factor:.12g}")
    for axis in "xyz":
        if (place := number(at("Stage", f"Stage{axis.upper()}"))) is not None:
            extra[f"stage_{axis}_um"] = float(f"{place * 1e6:.12g}")
    words = {"instrument": at("System", "SystemType")}
    if private:
        words["operator"] = at("User", "User")
    extra |= {name: printable(text) for name, text in words.items() if isinstance(text, str)}
    detector = at("Detectors", "Name")
    return tiff_facts(
        page,
        "FEI TIFF",
        voxels,
        pages=pages,
        acquired=iso_date(at("User", "Date")),
        voltage_v=positive(at("Beam", "HV")) or positive(at("EBeam", "HV")),
        detector=printable(detector) if isinstance(detector, str) else None,
        extra=extra,
    )
