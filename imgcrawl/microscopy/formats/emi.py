"""EMI of TIA: what the microscope was set to, in XML behind a copy of the first picture.

The pictures themselves are in SER files beside it. Source: files of TIA 3 and 4, as ncempy and
rosettasciio read them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.facts import Extra, FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.markup import content
from imgcrawl.microscopy.proof import Checked, Proof, require
from imgcrawl.microscopy.units import c_time, positive
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_MAGIC = b"JK\0\2\0\0\0\0"
_TAIL, _MOST = 64 << 10, 16 << 20
_BEGIN, _END = b"<ObjectInfo>", b"</ObjectInfo>"
_ITEM = re.compile(
    r"<Label>([^<]{1,80})</Label>\s{0,20}<Value>([^<]{0,200})</Value>\s{0,20}<Unit>([^<]{0,20})</Unit>"
)


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    require(ranges, 64, "the header of the EMI file")
    size = ranges.size or 0
    found = _descriptions(ranges.read(max(0, size - _TAIL), _TAIL))
    if options.walk and not any(map(_ITEM.search, found)):
        found = _descriptions(ranges.ranges.read(0, min(size, _MOST)))
    if not found:
        remark = "it has no description at its end, as if it were cut" if options.walk else ""
        return FileFacts("EMI", proof=Proof(Checked.HEADER, remark))
    # Each SER has one; those of spectra may say nothing of the microscope.
    return FileFacts("EMI", **_facts(next(filter(_ITEM.search, reversed(found)), found[-1])))


def _descriptions(data: bytes) -> list[str]:
    """Return the descriptions that are whole in a piece of the file."""
    parts = data.split(_BEGIN)[1:]
    return [part.partition(_END)[0].decode("utf-8", "replace") for part in parts if _END in part]


def _facts(text: str) -> dict[str, Any]:
    """Return the arguments of FileFacts that a description gives."""
    items = {name: (value.strip(), unit) for name, value, unit in _ITEM.findall(text)}

    def value(name: str, unit: str) -> float | None:
        found, own = items.get(name, ("", ""))
        return positive(found) if own == unit else None

    extra: Extra = {}
    if instrument := printable(items.get("Microscope", ("", ""))[0]):
        extra["instrument"] = instrument
    if mode := printable(items.get("Mode", ("", ""))[0]):
        extra["mode"] = mode
    tension = value("High tension", "kV")
    camera = printable(content(text, "CameraNamePath") or "")
    return {
        "voltage_v": tension and tension * 1000,
        "magnification": value("Magnification", "x"),
        "detector": camera or None,
        "acquired": c_time(content(text, "AcquireDate")),
        "extra": extra,
    }


EMI = FileFormat("EMI", (".emi",), lambda head: head.startswith(_MAGIC), _describe)
