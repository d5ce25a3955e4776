"""Lengths and dates as files of microscopes write them, and what can be taken from them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

_NM = {
    "pm": 1e-3,
    "picometer": 1e-3,
    "angstrom": 0.1,
    "a": 0.1,  # DigitalMicrograph's
    "\u00e5": 0.1,  # what lower() makes of both signs of the angstrom
    "nm": 1.0,
    "nanometer": 1.0,
    "um": 1e3,
    "\u03bcm": 1e3,  # Greek mu: the micro sign is turned into it
    "micrometer": 1e3,
    "micron": 1e3,
    "mm": 1e6,
    "millimeter": 1e6,
    "cm": 1e7,
    "centimeter": 1e7,
    "m": 1e9,
    "meter": 1e9,
    "inch": 2.54e7,
    "in": 2.54e7,
}
_SECONDS = {"ns": 1e-9, "\u00b5s": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0}
_SECONDS |= {"min": 60.0, "h": 3600.0, "d": 86400.0}
# A tenth of a picometre to a metre: beyond, it is not a size of a voxel.
_LEAST, _MOST = 1e-4, 1e9
# The date ends a word, and a time has seconds; an offset may follow.
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)?)?\Z")
_C_TIME = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})\Z")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_YEARS = range(1970, 2100)
_FILETIME_EPOCH = 11_644_473_600  # seconds from 1601 to 1970


def number(value: object) -> float | None:
    """Return a finite number, given as a number or as text, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def positive(value: object) -> float | None:
    """Return a finite number above zero, or None: zero stands for "not known" in most headers."""
    found = number(value)
    return found if found is not None and found > 0 else None


def single(value: float) -> float:
    """Return a number of single precision with the digits that it has: 0.1, not 0.10000000149."""
    return float(f"{value:.7g}")


def nanometres(value: object, unit: object) -> float | None:
    """Return a length in nanometres, or None without a positive value and a unit of length."""
    length = positive(value)
    factor = _factor(unit)
    if length is None or factor is None:
        return None
    # Twelve digits: 0.02 um are 20 nm, not 20.000000000000004.
    found = float(f"{length * factor:.12g}")
    return found if _LEAST <= found <= _MOST else None


def seconds(value: object, unit: object) -> float | None:
    """Return a duration in seconds, or None without a positive value and a unit of time."""
    length = positive(value)
    factor = _SECONDS.get(unit.strip().lower().rstrip(".")) if isinstance(unit, str) else None
    return None if length is None or factor is None else float(f"{length * factor:.12g}")


def _factor(unit: object) -> float | None:
    if not isinstance(unit, str) or len(unit) > 32:
        return None
    # ImageJ writes the escape itself, six characters, where Java could not write the sign.
    name = unit.strip().strip("\0").replace("\\u00B5", "\u00b5").replace("\\u00b5", "\u00b5")
    name = name.lower().replace("\u00b5", "\u03bc").replace("metre", "meter")
    return _NM.get(name) or _NM.get(name.removesuffix("s"))


def iso_date(text: object) -> str | None:
    """Return a date, with its time if it has one, as ISO 8601 writes it, or None for any other.

    11.06.2018 and 06/11/2018 are dates in some places and other dates elsewhere.
    """
    found = _ISO.match(text.strip()) if isinstance(text, str) and len(text) < 64 else None
    if found is None:
        return None
    year, month, day, time, zone = found.groups()
    return _checked(f"{year}-{month}-{day}" + (f"T{time}{zone or ''}" if time else ""))


def c_time(text: object) -> str | None:
    """Return a local time as ctime of C writes it ("Mon Jun 11 22:26:45 2018") as ISO 8601.

    None for any other text.
    """
    found = _C_TIME.match(text.strip()) if isinstance(text, str) and len(text) < 64 else None
    if found is None or found[1] not in _MONTHS:
        return None
    month = _MONTHS.index(found[1]) + 1
    return _checked(f"{found[4]}-{month:02}-{int(found[2]):02}T{found[3]}")


def filetime(value: object) -> str | None:
    """Return a FILETIME of Windows (100 ns since 1601, UTC) as ISO 8601 to the second, or None."""
    ticks = positive(value)
    if ticks is None or ticks > 1e19:
        return None
    seconds = int(ticks / 1e7) - _FILETIME_EPOCH
    if seconds < 0:
        return None
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment.year in _YEARS else None


def _checked(text: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return text if moment.year in _YEARS else None
