"""TFRecord: files of length-framed protobufs, as tf.data reads them.

Sources: tensorflow.org/tutorials/load_data/tfrecord ("TFRecords format details"): each record is
its length (uint64), the masked CRC32C of that, the data, and the masked CRC32C of the data, all
little endian; tensorflow/core/example/feature.proto: an Example maps names to lists of bytes,
floats or integers.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.column_kinds import Kind
from imgcrawl.exports.formats.parquet import IMAGE, MASKS
from imgcrawl.exports.shards import ExportFigures, write_shards
from imgcrawl.records.extras import require_library
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from imgcrawl.exports.bodies import Bodies
    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.source import ExportRecord, ExportSource

CLASSES = "classes.txt"  # the names of the classes, in the order of their numbers
_BYTES, _FLOATS, _INTEGERS = 1, 2, 3  # the fields of a Feature
_LISTS = {
    Kind.TEXT: _BYTES,
    Kind.INTEGER: _INTEGERS,
    Kind.NUMBER: _FLOATS,
    Kind.TRUTH: _INTEGERS,
}


class _Examples:
    """Makes protobufs of records: the picture, its masks, and each column with its type."""

    def __init__(self, source: ExportSource, plan: ExportPlan) -> None:
        self._kinds, self._label = source.table.kinds, plan.request.label
        self._classes = {label: n for n, label in enumerate(plan.labels)}

    def of(self, record: ExportRecord, bodies: Bodies) -> bytes:
        """Return one Example. A value that there is none of is an empty list."""
        features = [_entry(IMAGE, _BYTES, [bodies.picture.data])]
        if bodies.masks:
            features.append(_entry(MASKS, _BYTES, [mask.data for mask in bodies.masks]))
        for name, kind in self._kinds.items():
            value, which = record.row[name], _LISTS[kind]
            if name == self._label:
                value, which = self._classes.get(safe_cell(value)), _INTEGERS
            elif which == _BYTES and value is not None:
                value = str(value).encode("utf-8", "backslashreplace")
            features.append(_entry(name, which, [] if value is None else [value]))
        return _field(1, b"".join(features))


def _entry(name: str, which: int, values: list[Any]) -> bytes:
    """Return an entry of the map of features: its key, and the list of its values."""
    if which == _BYTES:
        inner = b"".join(_field(1, value) for value in values)
    elif which == _FLOATS:
        inner = _field(1, struct.pack(f"<{len(values)}f", *map(_float32, values)))
    else:
        inner = _field(1, b"".join(_varint(int(value) & (1 << 64) - 1) for value in values))
    key = _field(1, name.encode("utf-8", "backslashreplace"))
    return _field(1, key + _field(2, _field(which, inner)))


def _float32(value: float) -> float:
    """Return a number, infinite where it is larger than any of 4 bytes."""
    try:
        struct.pack("<f", value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return value


def _field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field of a protobuf."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Return an unsigned number, 7 bits a byte, the lowest first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


class _TfrecordWriter:
    """Writes one file. crc32c: returns the checksum of bytes"""

    def __init__(self, examples: _Examples, crc32c: Callable[[bytes], int], path: Path) -> None:
        self._examples, self._crc32c = examples, crc32c
        self._file = path.open("wb")

    def add(self, record: ExportRecord, bodies: Bodies) -> None:
        """Add a record."""
        data = self._examples.of(record, bodies)
        length = struct.pack("<Q", len(data))
        self._file.write(length + self._masked(length))
        self._file.write(data)
        self._file.write(self._masked(data))

    def _masked(self, data: bytes) -> bytes:
        crc = self._crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    def close(self) -> None:
        """Complete the file."""
        self._file.close()


def export(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    progress: Callable[[int, int], object],
) -> ExportFigures:
    """Write ``SPLIT-00000-of-00001.tfrecord`` and so on, and the names of the classes."""
    crc32c = require_library("google_crc32c", "google-crc32c").value

    def name_of(split: str, number: int) -> str:
        return f"{split}-{number:05}-of-{len(plan.shards[split]):05}.tfrecord"

    writer = partial(_TfrecordWriter, _Examples(source, plan), crc32c)
    figures = write_shards(source, plan, dest, name_of, writer, progress=progress)
    if plan.request.label:
        _write_classes(dest, plan.labels)
        figures.files.append(CLASSES)
    return figures


def _write_classes(dest: Destination, labels: Iterable[str]) -> None:
    with dest.writing(CLASSES) as file:
        file.writelines(" ".join(label.split()) + "\n" for label in labels)
