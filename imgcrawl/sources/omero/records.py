"""What OMERO servers answer, read into columns and files; nothing here asks for anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgcrawl.records.items import Metadata

KINDS = ("image", "dataset", "project", "screen", "plate", "well")
STUDY = "idr.openmicroscopy.org/study/info"  # the namespace in which IDR keeps licences
VOXEL_FROM = "record: OMERO"

# The parts of OMERO.web that links point into; what stands before them is where it is mounted.
_APPS = r"webclient|webgateway|iviewer|image|api"
_PATHS = (
    r"/(?:webclient|webgateway)/img_detail/(?P<image>\d+)",
    r"/webgateway/render_image(?:_region)?/(?P<image>\d+)",
    r"/image/(?P<image>\d+)",
    r"/api/v\d+/m/(?P<kind>image|dataset|project|screen|plate|well)s/(?P<id>\d+)",
)


@dataclass(frozen=True, slots=True)
class OmeroLink:
    """What a link of OMERO.web shows: pairs of a kind and an id, on which server.

    A run of a plate (``run``) is one of its acquisitions. study: how the names of the projects and
    screens begin that are shown, where the link names a study and no object.
    """

    server: str
    shown: tuple[tuple[str, int], ...]
    study: str = ""


def parse_link(link: str) -> OmeroLink:
    """Return the objects that a pasted link shows. Raises ValueError if it shows nothing known.

    ``img_detail/9846137/?dataset=10740`` is the image: the dataset is where it was opened from.
    """
    parts = urlsplit(link.strip())
    is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    if is_web and (study := _study(parts.path, parts.query)):
        return OmeroLink(f"{parts.scheme}://{parts.netloc}{study[0]}/", (), study[1])
    mounted = re.match(rf"(.*?)/(?:{_APPS})(?:/|$)", parts.path)
    if not is_web or not mounted:
        raise ValueError(
            f"{link} is no link of OMERO.web, such as https://HOST/webclient/?show=..."
        )
    shown = tuple(dict.fromkeys(_shown(parts.path.removeprefix(mounted[1]), parts.query)))
    if not shown:
        raise ValueError(f"{link} shows no {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    return OmeroLink(f"{parts.scheme}://{parts.netloc}{mounted[1]}/", shown)


def _study(path: str, query: str) -> tuple[str, str] | None:
    """Return where OMERO.web is mounted and the name of a study, of a link of IDR to one.

    ``/study/idr0086/`` and ``/search/?query=Name:idr0086``, as IDR's idr-gallery makes them.
    """
    if match := re.match(r"(.*?)/study/([\w-]+)/?$", path):
        return match[1], match[2]
    words = (parse_qs(query).get("query") or [""])[0]
    searched = re.match(r"(.*?)/search/?$", path)
    if searched and (match := re.fullmatch(r"\s*name:\s*(\S.*?)\s*", words, re.IGNORECASE)):
        return searched[1], match[1]
    return None


def _shown(path: str, query: str) -> Iterator[tuple[str, int]]:
    for pattern in _PATHS:
        if match := re.match(pattern, path):
            named = match.groupdict()
            yield (named.get("kind") or "image", int(named.get("id") or named["image"]))
            return
    asked = parse_qs(query)
    for kind, number in re.findall(r"([a-z]+)-(\d+)", "|".join(asked.get("show", ()))):
        if kind in KINDS or kind == "run":
            yield kind, int(number)
    if path.startswith("/iviewer"):
        # images=1,2 is what is open; a dataset beside it is where from.
        for name in ("images", "dataset", "well"):
            if numbers := re.findall(r"\d+", ",".join(asked.get(name, ()))):
                yield from ((name.removesuffix("s"), int(number)) for number in numbers)
                return


# --- lengths ---

_PREFIXES = "YOTTA ZETTA EXA PETA TERA GIGA MEGA KILO MILLI MICRO NANO PICO FEMTO ATTO ZEPTO YOCTO"
_POWERS = (24, 21, 18, 15, 12, 9, 6, 3, -3, -6, -9, -12, -15, -18, -21, -24)
_INCH = 25_400_000.0
_NM: dict[str, float] = {
    "METER": 1e9,
    "HECTOMETER": 1e11,
    "DECAMETER": 1e10,
    "DECIMETER": 1e8,
    "CENTIMETER": 1e7,
    "ANGSTROM": 0.1,
    "THOU": _INCH / 1000,
    "LINE": _INCH / 12,
    "POINT": _INCH / 72,
    "INCH": _INCH,
    "FOOT": _INCH * 12,
    "YARD": _INCH * 36,
    "MILE": _INCH * 63360,
}
_NM |= {
    f"{prefix}METER": 10.0 ** (power + 9)
    for prefix, power in zip(_PREFIXES.split(), _POWERS, strict=True)
}
_SYMBOLS = {
    "km": "KILOMETER",
    "m": "METER",
    "dm": "DECIMETER",
    "cm": "CENTIMETER",
    "mm": "MILLIMETER",
    "um": "MICROMETER",
    "micron": "MICROMETER",
    "nm": "NANOMETER",
    "pm": "PICOMETER",
    "Å": "ANGSTROM",
    "in": "INCH",
    "ft": "FOOT",
    "yd": "YARD",
    "pt": "POINT",
}


def to_nm(value: Any, unit: str) -> float | None:
    """Return a length in nanometres, or None if it is not positive or has no unit of length.

    Units are OME's words (MICROMETER) or symbols. ``pixel`` and ``reference frame`` are no lengths.
    """
    # Two characters are used for micro, and some files hold its escape sequence in letters.
    symbol = unit.strip().replace("\\u00B5", "u").replace("\u00b5", "u").replace("\u03bc", "u")
    symbol = symbol.replace("\u212b", "Å")
    factor = _NM.get(symbol.upper()) if len(symbol) > 2 else None
    factor = factor or _NM.get(_SYMBOLS.get(symbol, ""))
    if factor is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # Twelve digits: 0.02 µm are 20 nm, whatever binary fractions make of it.
    return float(f"{value * factor:.12g}") if 0 < value < float("inf") else None


# --- images ---


def image_columns(record: dict[str, Any]) -> Metadata:
    """Return the columns of an image from its JSON; keys that are absent there are absent here."""
    pixels = record.get("Pixels")
    pixels = pixels if isinstance(pixels, dict) else {}
    columns: Metadata = {
        "image_id": record.get("@id"),
        "image_name": record.get("Name"),
        "image_description": record.get("Description"),
        "series": record.get("omero:series"),
        "acquired_at": _moment(record.get("AcquisitionDate")),
        "dtype": _value(pixels.get("Type")),
        "channels": _channels(pixels.get("Channels")),
    }
    columns |= {f"size_{axis.lower()}": pixels.get(f"Size{axis}") for axis in "XYZCT"}
    for axis in "XYZ":
        size = pixels.get(f"PhysicalSize{axis}")
        if isinstance(size, dict):
            words = (str(size.get(name) or "") for name in ("Unit", "Symbol"))
            lengths = (to_nm(size.get("Value"), word) for word in words if word)
            if (length := next((nm for nm in lengths if nm), None)) is not None:
                columns[f"voxel_{axis.lower()}_nm"] = length
                columns[f"voxel_{axis.lower()}_from"] = VOXEL_FROM
    return {name: value for name, value in columns.items() if value not in (None, "")}


def _value(field: Any) -> Any:
    return field.get("value") if isinstance(field, dict) else field


def _channels(channels: Any) -> str | None:
    if not isinstance(channels, list):
        return None
    names = [str(c.get("Name") or "") if isinstance(c, dict) else "" for c in channels]
    return "; ".join(names) if any(names) else None


def _moment(milliseconds: Any) -> str | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None


# --- wells ---


def well_images(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the images of a well, field by field."""
    samples = record.get("WellSamples")
    samples = samples if isinstance(samples, list) else []
    images = [sample.get("Image") for sample in samples if isinstance(sample, dict)]
    return [i for i in images if isinstance(i, dict) and isinstance(i.get("@id"), int)]


def well_name(record: dict[str, Any]) -> str | None:
    """Return the name of a well by its place: row 0 and column 0 are A1, row 26 is AA."""
    row, column = record.get("Row"), record.get("Column")
    if not isinstance(row, int) or not isinstance(column, int):
        return None
    letters = ""
    while row >= 0:
        letters = chr(ord("A") + row % 26) + letters
        row = row // 26 - 1
    return f"{letters}{column + 1}"


def on_path(answer: Any, kind: str) -> int:
    """Return the id of the object of a kind on the way to another (``paths_to_object``), or 0."""
    paths = answer.get("paths") if isinstance(answer, dict) else None
    for path in paths if isinstance(paths, list) else ():
        for step in path if isinstance(path, list) else ():
            if isinstance(step, dict) and step.get("type") == kind:
                number = step.get("id")
                return number if isinstance(number, int) else 0
    return 0


# --- annotations ---


@dataclass(frozen=True, slots=True)
class Pair:
    """One key and its value in a map annotation, and the namespace that it stands in."""

    namespace: str
    key: str
    value: str


def read_annotations(answer: Any, kind: str, number: int, name: str | None = None) -> list[Pair]:
    """Return the pairs that a webclient answer gives to one object, in order.

    A project and a screen may have the same number, so whose an annotation is, is checked by the
    kind, the id and, where it is known, the name that its link says.
    """
    found = answer.get("annotations") if isinstance(answer, dict) else None
    pairs: list[Pair] = []
    for annotation in found if isinstance(found, list) else ():
        if not isinstance(annotation, dict) or not _belongs(annotation, kind, number, name):
            continue
        values = annotation.get("values")
        for pair in values if isinstance(values, list) else ():
            if isinstance(pair, list) and len(pair) == 2 and str(pair[0]).strip():
                namespace = str(annotation.get("ns") or "")
                pairs.append(Pair(namespace, str(pair[0]).strip(), str(pair[1]).strip()))
    return pairs


def _belongs(annotation: dict[str, Any], kind: str, number: int, name: str | None) -> bool:
    link = annotation.get("link")
    parent = link.get("parent") if isinstance(link, dict) else None
    if not isinstance(parent, dict):
        return False
    if str(parent.get("class", "")).removesuffix("I").lower() != kind:
        return False
    same_name = name is None or parent.get("name") in (None, name)
    return parent.get("id") == number and same_name


def annotation_columns(pairs: Iterable[Pair]) -> Metadata:
    """Return ``annotation_KEY`` columns; the values of a repeated key share one cell."""
    columns: dict[str, list[str]] = {}
    for pair in pairs:
        values = columns.setdefault(f"annotation_{pair.key}", [])
        if pair.value not in values:
            values.append(pair.value)
    return {name: "; ".join(values) for name, values in columns.items()}


def license_columns(pairs: Iterable[Pair]) -> Metadata:
    """Return licence and attribution of a study, from its own annotation."""
    study = {pair.key: pair.value for pair in pairs if pair.namespace == STUDY}
    name, _, url = study.get("License", "").partition("http")
    columns = {
        "copyright_license": name.strip(),
        "license_url": f"http{url}".strip() if url else "",
        "attribution": study.get("Copyright", ""),
    }
    return {column: value for column, value in columns.items() if value}


def license_fits(license_name: str, wanted: Iterable[str]) -> bool:
    """Return True if a licence is wanted: ``cc-by`` is CC BY 4.0, but not CC BY-NC 4.0."""
    have = _canonical(license_name)
    return any(re.fullmatch(rf"{re.escape(_canonical(w))}(-[\d.]+)?", have) for w in wanted)


def _canonical(name: str) -> str:
    words = re.sub(r"[\s_-]+", "-", name.partition("http")[0].strip().upper())
    return re.sub(r"^CC-(?=0)", "CC", words)
