"""The data of the OMERO replicas: a study in a project, lifs, a screen, and forbidden files."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import Image as Pillow

from replicas.repository_world import published

SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06#"
MIRON = "idr0086-miron-micrographs/20200610-ftp/experimentD"
SYSGRO = "idr0001-graml-sysgro/20151116-verified/JL_120731_S6A"
STUDY = "idr.openmicroscopy.org/study/info"
BULK = "openmicroscopy.org/omero/bulk_annotations"


@dataclass(frozen=True)
class OmeroContainer:
    """A project, dataset, screen, plate or well, and the ids that it holds."""

    name: str
    children: tuple[int, ...]
    study: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OmeroFileset:
    """Files that were imported together, by the paths that they were imported from."""

    client: tuple[str, ...]
    downloadable: bool = True
    error: str = ""  # the message of download_urls in place of addresses


@dataclass(frozen=True)
class OmeroImage:
    """An image of a fileset."""

    name: str
    fileset: int
    size: tuple[int, int, int]  # z, y, x
    voxel: tuple[float, str, str] | None = (0.02, "MICROMETER", "µm")
    pairs: tuple[tuple[str, str], ...] = ()
    series: int = 0


def _study(licence: str, owner: str) -> dict[str, str]:
    told = {"License": licence, "Copyright": owner, "Study Type": "made up"}
    return told | {
        "Publication Title": "Made up",
        "Publication Authors": "Replica A, Replica B",
    }


PROJECTS = {
    7: OmeroContainer("lifs/experimentA", (71,)),
    301: OmeroContainer(
        "idr0086-miron-micrographs/experimentD",
        (10740, 10741),
        _study("CC BY 4.0 https://creativecommons.org/licenses/by/4.0/", "Miron et al"),
    ),
}
PROJECTS |= {
    302: OmeroContainer("idr0200-many/experimentA", (720,), _study("CC0", "Many et al")),
    303: OmeroContainer("idr0201-changing/experimentA", (730,), _study("CC0", "New et al")),
}
SCREENS = {
    # Also the number of a project.
    7: OmeroContainer(
        "idr0001-graml-sysgro/screenA",
        (70,),
        _study("CC BY-NC 4.0 https://creativecommons.org/licenses/by-nc/4.0/", "Graml et al"),
    )
}
DATASETS = {
    71: OmeroContainer("Many series", tuple(range(7100, 7112))),
    720: OmeroContainer("2,500 series of five imports", tuple(range(20000, 22500))),
    730: OmeroContainer("Of today", (7301, 7302)),
    10740: OmeroContainer("Figure_S3B", (9846137, 9846138)),
    10741: OmeroContainer("Closed", (9846139, 9846140, 9846141)),
}
PLATES = {70: OmeroContainer("JL_120731_S6A", (700, 701))}
WELLS = {700: OmeroContainer("0,0", (8001, 8002)), 701: OmeroContainer("1,11", (8003,))}

_XY = "Miron_FIB-SEM/Miron_FIB-SEM_processed/Figure_S3B_FIB-SEM_U2OS_20x20x20nm_xy.tif"
FILESETS = {
    1: OmeroFileset((f"uod/idr/filesets/{MIRON}/{_XY}",)),
    2: OmeroFileset((f"uod/idr/filesets/{MIRON}/m4 pelvic (20x #2) 100%.ome.tif",)),
    # Only the rule leads to it.
    3: OmeroFileset((f"uod/idr/filesets/{MIRON}/not listed.tif",), error="No download URL found"),
    4: OmeroFileset(("home/someone/secret.tif",), downloadable=False),
    5: OmeroFileset((f"bia-idr/{MIRON}/volume.zarr/.zattrs",)),
    71: OmeroFileset(("home/someone/one.lif",)),
    72: OmeroFileset(("home/someone/two.lif",)),
    73: OmeroFileset(("home/someone/three.lif", "home/someone/three/notes.txt")),
    80: OmeroFileset(
        (
            f"uod/idr/filesets/{SYSGRO}/Meas_01(2012-07-31_10-41-12)/005010001.flex",
            f"uod/idr/filesets/{SYSGRO}/Meas_01(2012-07-31_10-41-12)/005010002.flex",
            f"uod/idr/filesets/{SYSGRO}/#1_plate.xml",
        )
    ),
}
FILESETS |= {n: OmeroFileset((f"uod/idr/filesets/idr0200/{n}.lif",)) for n in range(720, 725)}
FILESETS |= {n: OmeroFileset((f"uod/idr/filesets/idr0201/{n}.tif",)) for n in (731, 732, 733)}
_FIELDS = {1: (("Quality", "good"),), 2: (), 3: (("Quality", "poor"),)}
IMAGES = {
    9846137: OmeroImage(
        "Figure_S3B_FIB-SEM_U2OS_20x20x20nm_xy.tif",
        1,
        (184, 775, 1121),
        pairs=(("Organism", "Homo sapiens"), ("Cell Line", "U2OS"), ("Cell Line", "again")),
    ),
    9846138: OmeroImage("m4 pelvic", 2, (1, 60, 80), (500.0, "NANOMETER", "nm")),
    9846139: OmeroImage("not listed.tif", 3, (1, 60, 80), (80.0, "ANGSTROM", "Å")),
    9846140: OmeroImage("secret.tif", 4, (1, 60, 80), None),
    9846141: OmeroImage("volume", 5, (50, 60, 80)),
    **{
        7100 + n: OmeroImage(f"series {n}", 71 + n // 4, (1, 60, 80), None, series=n % 4)
        for n in range(12)
    },
    **{
        20000 + n: OmeroImage(f"series {n}", 720 + n // 500, (1, 60, 80), None, series=n % 500)
        for n in range(2500)
    },
    **{7300 + n: OmeroImage(f"{n}.tif", 730 + n, (1, 60, 80), None) for n in (1, 2, 3)},
    **{
        8000 + n: OmeroImage(f"field {n}", 80, (1, 60, 80), None, _FIELDS[n], series=n - 1)
        for n in (1, 2, 3)
    },
}
CONTAINERS = {
    "projects": PROJECTS,
    "datasets": DATASETS,
    "screens": SCREENS,
    "plates": PLATES,
    "wells": WELLS,
}
CHILDREN = {"projects": "datasets", "datasets": "images", "screens": "plates", "plates": "wells"}


def held(kind: str, number: int) -> tuple[int, ...]:
    """Return the ids that a container holds today: IDR has no versions, its content changes."""
    if (kind, number) == ("datasets", 730) and published["versions"] > 1:
        return (7301, 7303)
    container = CONTAINERS[kind].get(number)
    return container.children if container else ()


@lru_cache(maxsize=64)
def content(path: str) -> bytes:
    """Return the bytes of an imported file: a small TIFF, another for every path, or text."""
    if not path.endswith((".tif", ".flex", ".lif")):
        return f"<!-- {path} -->\n<plate/>\n".encode()
    buffer = BytesIO()
    shade = sum(path.encode()) % 256
    Pillow.new("L", (80, 60), shade).save(buffer, "TIFF", description=path.rsplit("/", 1)[-1])
    return buffer.getvalue()


def image_json(number: int) -> dict[str, Any]:
    """Return an image as the JSON API has it; unknown properties are absent."""
    image = IMAGES[number]
    pixels: dict[str, Any] = {"@type": f"{SCHEMA}Pixels", "@id": number}
    pixels |= zip(("SizeZ", "SizeY", "SizeX"), image.size, strict=True)
    pixels |= {"SizeC": 1, "SizeT": 1, "SignificantBits": 8, "omero:sha1": "pending..."}
    pixels["Type"] = {"@type": "TBD#PixelsType", "@id": 1, "value": "uint8"}
    channel = {"Color": -2139062017, "SamplesPerPixel": 1, "omero:LogicalChannelId": number}
    pixels["Channels"] = [{"@type": f"{SCHEMA}Channel", "@id": number, **channel}]
    if image.voxel:
        value, unit, symbol = image.voxel
        size = {"@type": "TBD#LengthI", "Unit": unit, "Symbol": symbol, "Value": value}
        pixels |= {f"PhysicalSize{axis}": size for axis in "XYZ"}
    return {
        "@type": f"{SCHEMA}Image",
        "@id": number,
        "Name": image.name,
        "omero:series": image.series,
        "omero:details": {"@type": "TBD#Details", "owner": {"@id": 2}, "group": {"@id": 3}},
        "AcquisitionDate": 1507197219000,
        "Pixels": pixels,
    }


def container_json(kind: str, number: int) -> dict[str, Any]:
    """Return a container as the JSON API has it; a well has a row and a column but no name."""
    container = CONTAINERS[kind][number]
    found = {"@type": f"{SCHEMA}{kind[:-1].title()}", "@id": number}
    if kind != "wells":
        return {**found, "Name": container.name}
    row, column = map(int, container.name.split(","))
    samples = [{"@id": 10 * n, "Image": image_json(n)} for n in container.children]
    return {**found, "Row": row, "Column": column, "WellSamples": samples}


def holders(kind: str, child: int) -> list[int]:
    """Return the containers of a kind that hold a child."""
    return [number for number, found in CONTAINERS[kind].items() if child in found.children]
