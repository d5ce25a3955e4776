"""The report of an OUT: gathered, its pictures made small, written as one page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.dataset_table import open_table
from imgcrawl.dataset.history import parse_runs
from imgcrawl.exports.report_facts import gather
from imgcrawl.exports.report_page import write_page
from imgcrawl.exports.report_sheets import name_of, write_sheets
from imgcrawl.exports.small_picture import small_picture
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


@dataclass(frozen=True, slots=True)
class ReportFigures:
    """What came of a report."""

    records: int
    pictures: int
    bytes: int
    pages: int = 0


def write_report(
    out: OutputDirectory,
    storage: Storage,
    place: str,
    *,
    seed: int = 0,
    pages: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> ReportFigures:
    """Write report.html of an OUT.

    place: what the page calls it; seed: of the pictures; pages: all pictures, too, on more pages
    """
    facts = gather(out, seed=seed, pictures=PICTURES, progress=progress)
    summary, facts.runs = _summary(storage), _runs(storage)
    shown = n_pages = 0
    if pages:
        with open_table(out) as table:
            rows = (row for row in table.rows() if row.get("file_name"))
            thumb = partial(small_picture, storage, side=SIDE)
            n_pages = write_sheets(out, rows, place, thumb, progress)
        facts.pages = name_of(1) if n_pages else ""

    def write(file: Any) -> None:
        nonlocal shown
        shown = write_page(
            file,
            place,
            facts,
            summary,
            thumb=partial(small_picture, storage, side=SIDE),
            limit=LIMIT,
        )

    out.write(REPORT, write)
    return ReportFigures(facts.records, shown, out.path(REPORT).stat().st_size, n_pages)


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
