"""The report of an OUT: gathered, its pictures made small, written as one page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from imgcrawl.dataset.history import parse_runs
from imgcrawl.exports.report_facts import gather
from imgcrawl.exports.report_page import write_page
from imgcrawl.pictures.thumbnail import thumbnail
from imgcrawl.records.errors import StoreError
from imgcrawl.storage.directory import REPORT, RUNS, SUMMARY
from imgcrawl.text.redact import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.dataset.history import RunRow
    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory

PICTURES = 240  # of the contact sheet
SIDE = 192  # pixels of a picture in it, at most
LIMIT = 18 << 20  # bytes of all pictures, so that the page is within 20 MB
_LONGEST = 64 << 20  # bytes of a file that is opened for a picture of it


@dataclass(frozen=True, slots=True)
class ReportFigures:
    """What came of a report."""

    records: int
    pictures: int
    bytes: int


def write_report(
    out: OutputDirectory,
    storage: Storage,
    place: str,
    *,
    seed: int = 0,
    progress: Callable[[int], object] = lambda _: None,
) -> ReportFigures:
    """Write report.html of an OUT. place: what the page calls it; seed: of the pictures."""
    facts = gather(out, seed=seed, pictures=PICTURES, progress=progress)
    summary, facts.runs = _summary(storage), _runs(storage)
    shown = 0

    def write(file: Any) -> None:
        nonlocal shown
        shown = write_page(
            file, place, facts, summary, thumb=lambda row: _thumb(storage, row), limit=LIMIT
        )

    out.write(REPORT, write)
    return ReportFigures(facts.records, shown, out.path(REPORT).stat().st_size)


def _summary(storage: Storage) -> dict[str, Any]:
    try:
        kept = storage.read(SUMMARY)
        found = json.loads(plain_text(kept.data.decode("utf-8", "replace"))) if kept else {}
    except (OSError, StoreError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _runs(storage: Storage) -> list[RunRow]:
    try:
        kept = storage.read(RUNS)
    except (OSError, StoreError):
        return []
    return parse_runs(kept.data) if kept else []


def _thumb(storage: Storage, row: dict[str, Any]) -> bytes | None:
    """Return a small picture of a record's file; of a cube, its middle slice."""
    name = str(row.get("file_name") or "")
    try:
        if not name or (size := storage.size(name)) is None or size > _LONGEST:
            return None
        with storage.open(name) as file:
            body = file.read()
        if name.endswith(".npy"):
            body, kind = _middle(np.load(BytesIO(body), allow_pickle=False)), "PNG"
        elif name.endswith((".tif", ".tiff")) and not row.get("format"):
            import tifffile  # noqa: PLC0415 - few have cubes

            body, kind = _middle(tifffile.imread(BytesIO(body))), "PNG"
        else:
            with Image.open(BytesIO(body)) as opened:
                kind = str(opened.format)
    except (OSError, StoreError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    made = thumbnail(body, kind, (SIDE, SIDE))
    return made.data if made is not None else None


def _middle(cube: np.ndarray[Any, Any]) -> bytes:
    """Return the middle z slice of a cube (..., z, y, x) as a PNG, its range made visible."""
    while cube.ndim > 2:
        cube = cube[cube.shape[0] // 2]
    values = cube.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    grey = ((values - low) * (255 / ((high - low) or 1))).astype(np.uint8)
    made = BytesIO()
    Image.fromarray(grey).save(made, "PNG")
    return made.getvalue()
