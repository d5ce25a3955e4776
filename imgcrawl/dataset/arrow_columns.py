"""Columns of Arrow made of plain values.

pyarrow's own way from Python objects imports pandas where it is installed: 50 MB and half a second
for each crawl.
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.column_kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence


def arrow_column(values: Sequence[Any], kind: Kind) -> Any:
    """Return a column (`pyarrow.Array`) of values of a kind, None where there is none.

    Integers have 64 bits, numbers are doubles. Raises OverflowError for a larger integer.
    """
    import pyarrow as pa  # noqa: PLC0415 - 30 MB, and no part of the core

    parts: list[Any]  # with a buffer each
    known = pa.py_buffer(_bits(value is not None for value in values))
    if kind is Kind.INTEGER:
        parts, type_ = [array("q", (0 if value is None else value for value in values))], pa.int64()
    elif kind is Kind.NUMBER:
        parts, type_ = (
            [array("d", (0.0 if value is None else value for value in values))],
            pa.float64(),
        )
    elif kind is Kind.TRUTH:
        parts, type_ = [_bits(value is True for value in values)], pa.bool_()
    else:
        texts = [b"" if value is None else str(value).encode() for value in values]
        ends = array("i", accumulate(map(len, texts), initial=0))
        parts, type_ = [ends, b"".join(texts)], pa.string()
    return pa.Array.from_buffers(type_, len(values), [known, *map(pa.py_buffer, parts)])


def _bits(truths: Any) -> bytes:
    """Return truth values as Arrow has them: the least significant bit is the first one's."""
    text = "".join("1" if truth else "0" for truth in truths)
    size = (len(text) + 7) // 8
    return int(text[::-1] or "0", 2).to_bytes(size, "little")
