"""Folders: SPLIT/LABEL/FILE, as torchvision, Keras, fastai and Hugging Face's loader read them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.column_kinds import Kind, joined, kind_of_cell
from imgcrawl.dataset.record_columns import MASK as MASK_FILE
from imgcrawl.dataset.typed_rows import write_rows
from imgcrawl.exports.bodies import bodies_of
from imgcrawl.exports.shards import ExportFigures
from imgcrawl.exports.source import LeftOut
from imgcrawl.storage.directory import METADATA
from imgcrawl.text.csv_cells import safe_cell
from imgcrawl.text.filenames import UNKNOWN, format_layout
from imgcrawl.text.split_words import without_split_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.source import ExportRecord, ExportSource

MASK = "mask"  # the column of the mask's file, relative to the folder of the split


def export(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    progress: Callable[[int, int], object],
) -> ExportFigures:
    """Write the folders, then the metadata.csv of each split."""
    figures = ExportFigures()
    size = plan.request.size
    lost: set[str] = set()  # keys whose pictures are not there
    kinds = _Columns()
    for record in source.records(LeftOut()):
        bodies = bodies_of(source, record, size, plan.left_out)
        if bodies is None:
            lost.add(record.key)
            continue
        name = f"{record.split}/{_place(record, plan)}{bodies.picture.extension}"
        same = original(source, record) if size is None else None
        dest.put(name, bodies.picture.data, same)
        for number, mask in enumerate(bodies.masks):
            dest.put(f"masks/{record.split}/{record.key}-{number}{mask.extension}", mask.data)
        kinds.learn(record.split, record.row)
        figures.add(record.split, len(bodies.picture.data))
        progress(figures.records, figures.bytes)
    _write_tables(source, plan, dest, kinds, lost=lost)
    for split in plan.shards:
        figures.files.append(f"{split}/{METADATA}")
    if dropped := kinds.dropped():
        figures.notes.append(
            f"Not in {METADATA}, since a loader would not take them in all splits for the same "
            f"type: {', '.join(dropped)}"
        )
    return figures


def _place(record: ExportRecord, plan: ExportPlan) -> str:
    """Return the path of a picture below its split, without extension."""
    key = without_split_words(record.key)
    if plan.request.label is None:
        return key
    folder = format_layout("{label}", {"label": record.label}) if record.label else UNKNOWN
    return f"{without_split_words(folder)}/{key}"


def original(source: ExportSource, record: ExportRecord) -> Path | None:
    """Return the path of the stored file, where it can be linked to."""
    return Path(str(source.storage)) / record.name if source.storage.is_local else None


class _Columns:
    """The kinds of the columns in each split, as a loader of CSV will take them."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._gaps: dict[str, set[str]] = {}

    def learn(self, split: str, row: dict[str, Any]) -> None:
        """Learn from a row."""
        kinds, gaps = self._kinds.setdefault(split, {}), self._gaps.setdefault(split, set())
        for name, value in row.items():
            cell = safe_cell(value)
            if not cell:
                gaps.add(name)
            kinds[name] = joined(kinds.get(name, Kind.NONE), kind_of_cell(cell))

    def _of(self, name: str) -> set[Kind]:
        """Return the types that a loader takes a column for: with gaps, whole numbers are not."""
        found = set()
        for split, kinds in self._kinds.items():
            kind = kinds.get(name, Kind.NONE)
            with_gaps = name in self._gaps[split]
            found.add(Kind.NUMBER if kind is Kind.INTEGER and with_gaps else kind)
        return found

    def dropped(self) -> list[str]:
        """Return the columns that no CSV can have with the same type in every split."""
        names = {name for kinds in self._kinds.values() for name in kinds}
        return sorted(n for n in names if len(k := self._of(n)) > 1 and k != _NUMBERS)

    def as_float(self, name: str) -> bool:
        """Return whether the whole numbers of a column have to look like other numbers."""
        return self._of(name) == _NUMBERS


_NUMBERS = {Kind.INTEGER, Kind.NUMBER}


def _write_tables(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    kinds: _Columns,
    *,
    lost: set[str],
) -> None:
    dropped = set(kinds.dropped())
    # A loader would look for the mask there, and may look nowhere but below the split.
    own = [n for n in source.table.kinds if n not in dropped | {"file_name", MASK_FILE}]
    floats = {name for name in own if kinds.as_float(name)}
    header = ["file_name", *own, *([MASK] if plan.masks else [])]

    def rows(split: str) -> Iterator[list[str]]:
        for record in source.records(LeftOut()):
            if record.split != split or record.key in lost:
                continue
            place = _place(record, plan)
            extension = _extension(dest, split, place, record)
            cells = [_cell(record.row[name], as_float=name in floats) for name in own]
            masks = [_mask(dest, split, record)]
            yield [safe_cell(place + extension), *cells, *(masks if plan.masks else [])]

    for split in plan.shards:
        with dest.writing(f"{split}/{METADATA}") as file:
            write_rows(file, header, partial(rows, split), 1)


def _mask(dest: Destination, split: str, record: ExportRecord) -> str:
    """Return the path of the first mask of a picture, relative to its split; empty for none."""
    if not record.masks:
        return ""
    found = next((dest.root / "masks" / split).glob(f"{record.key}-0.*"), None)
    return f"../masks/{split}/{found.name}" if found else ""


def _cell(value: Any, *, as_float: bool) -> str:
    return safe_cell(float(value) if as_float and value is not None else value)


def _extension(dest: Destination, split: str, place: str, record: ExportRecord) -> str:
    """Return the extension that a picture was written with."""
    if (dest.root / split / f"{place}{record.extension}").is_file():
        return record.extension
    return next(e for e in (".jpg", ".png") if (dest.root / split / f"{place}{e}").is_file())
