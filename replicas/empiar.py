"""More entries of EMPIAR: one of 2,500 files, one that is revised, and two that are not released.

Keys as public readers of the API have them; `status` and `update_date` among them. An entry has no
versions of its own: what was revised lies under the same names, under a later date.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from replicas import pictures, repository_world

_A = pictures.any_kind("tiff", 21, (48, 32)) or b""
_B = pictures.any_kind("tiff", 22, (48, 32)) or b""
MANY = {
    f"data/Grid{n // 500}/Square{n // 50}/movie_{n:04}.txt": f"{n}\n".encode() for n in range(2500)
}
_FIRST, _SECOND = "2024-01-15 10:02", "2024-06-03 08:30"
# Name -> bytes and when they came, as they were published first and as they are since.
REVISED = {
    "data/notes.txt": (b"as deposited\n", _FIRST),
    "data/raw/a_001.tif": (_A, _FIRST),
    "data/raw/a_002.tif": (_A, _FIRST),
    "data/raw/a_003.tif": (_A, _FIRST),
}
REVISION = {
    "data/notes.txt": (b"as deposited\n", _FIRST),
    "data/raw/a_001.tif": (_A, _FIRST),
    "data/raw/a_002.tif": (_B, _SECOND),  # of the same size, as the index shows it
    "data/raw/a_004.tif": (_B, _SECOND),
}
RELEASED, HELD, CLOSED = "12600", "12700", "12701"
LARGE = "12500"


def contents(entry: str) -> dict[str, tuple[bytes, str]]:
    """Return the files of an entry today: path -> bytes and date; none of one that is held back."""
    if entry == LARGE:
        return {path: (body, _FIRST) for path, body in MANY.items()}
    if entry != RELEASED:
        return {}
    return REVISION if repository_world.published["versions"] > 1 else REVISED


def folder_of(entry: str, folder: str) -> dict[str, tuple[str, str]] | None:
    """Return what a folder holds: name -> size and date as an index shows them; None for none."""
    found: dict[str, tuple[str, str]] = {}
    for path, (body, date) in contents(entry).items():
        if path.startswith(folder):
            name, slash, _ = path.removeprefix(folder).partition("/")
            found[name + slash] = ("-" if slash else f"{max(1, len(body) // 1000)}K", date)
    return found or None


def record(entry: str) -> web.Response | None:
    """Answer ``api/entry/EMPIAR-ENTRY/``; None for an entry that is not one of these."""
    if entry == CLOSED:
        return web.json_response({"detail": "Not released."}, status=403)
    if entry not in {LARGE, RELEASED, HELD}:
        return None
    is_later = repository_world.published["versions"] > 1
    directory = "data/raw" if entry == RELEASED else "data"
    count = sum(path.startswith(f"{directory}/") for path in contents(entry))
    imageset: dict[str, Any] = {
        "name": "Movies",
        "directory": directory,
        "category": "micrographs - multiframe",
        "header_format": "TIFF",
        "data_format": "TIFF",
        "num_images_or_tilt_series": count,
        "frames_per_image": 1,
        "voxel_type": "UNSIGNED BYTE",
        "image_width": "48",
        "image_height": "32",
        "pixel_width": 6.5,
        "pixel_height": 6.5,
        "details": "",
    }
    about = {
        "title": f"Entry {entry}",
        "status": "HPUB" if entry == HELD else "REL",
        "deposition_date": "2023-11-01",
        "release_date": None if entry == HELD else "2024-01-15",
        "update_date": "2024-06-03" if is_later and entry == RELEASED else "2024-01-15",
        "entry_doi": f"10.6019/EMPIAR-{entry}",
        "experiment_type": "EMDB",
        "dataset_size": "1 GB",
        "authors": [{"author": {"name": "Replica A", "order_id": 0}}],
        "imagesets": [imageset],
        "citation": [],
    }
    return web.json_response({f"EMPIAR-{entry}": about})
