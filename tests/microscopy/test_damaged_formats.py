"""Damage of every format: a result or a reason, soon and in little memory; never an error."""

from __future__ import annotations

import contextlib
import gzip
import struct
import time
import tracemalloc
import zlib
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.merge import describe_file
from imgcrawl.microscopy.ranges import bytes_ranges
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.microscopy.files import PIXELS, level, nd2, nd2_chunks, whole_files, zip_of

if TYPE_CHECKING:
    from pathlib import Path

OUTCOMES = {
    Outcome.EMPTY,
    Outcome.NOT_IMAGE,
    Outcome.TRUNCATED,
    Outcome.CORRUPT,
    Outcome.TOO_LARGE,
}
FILES = {**whole_files(), ".nd2": nd2(nd2_chunks())}
_ODD = st.sampled_from([0, 1, 0x7F, 0x80, 0xFE, 0xFF])


def verdict(data: bytes, name: str) -> RecordMissing | None:
    try:
        describe(bytes_ranges(data), name=name)
    except RecordMissing as bad:
        return bad
    return None


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    extension = draw(st.sampled_from(sorted(FILES)))
    data = bytearray(FILES[extension])
    for _ in range(draw(st.integers(1, 6))):
        # Structure stands at either end: flips in the pixels between tell nothing.
        reach = min(len(data), 900)
        at = draw(st.integers(-reach, reach - 1))
        width = draw(st.sampled_from([1, 1, 4, 8]))
        data[at : at + width] = bytes([draw(st.integers(0, 255) | _ODD)]) * width
    end = draw(st.integers(0, len(data)) | st.just(len(data)))
    return extension, bytes(data[:end])


@settings(max_examples=400, deadline=None)
@given(damaged())
@example((".zip", b"PK\5\6" + b"\xff" * 18))
@example((".npy", b"\x93NUMPY\1\0\x10\0" + b"(" * 16))
def test_damaged_files(case: tuple[str, bytes]) -> None:
    extension, data = case
    began = time.process_time()
    bad = verdict(data, f"a{extension}")
    assert time.process_time() - began < 1
    assert bad is None or (bad.outcome in OUTCOMES and bad.message.isprintable())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.integers(4, 64), st.binary(max_size=3000))
def test_noise_behind_a_beginning(extension: str, kept: int, noise: bytes) -> None:
    bad = verdict(FILES[extension][:kept] + noise, f"a{extension}")
    assert bad is None or bad.outcome in OUTCOMES


@cache
def hostile() -> dict[str, tuple[str, bytes]]:
    """Small files that say of themselves that they are large, or never end."""
    zstd = b"\x28\xb5\x2f\xfd\x00\x00" + b"\x02\0\0a" * 40_000
    deep = b"".join(bytes([11, 1, 0, 0]) + struct.pack("<IQ", 9, 1 << 60) for _ in range(5000))
    fits = b"SIMPLE  = T".ljust(80) + b"BITPIX  = 8".ljust(80) + b"x".ljust(80) * 40_000
    boxes = (
        struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + struct.pack(">I4s", 8, b"free") * 40_000
    )
    tag = struct.pack("<2H2sH", 0x10, 0x10, b"PN", 0)
    dicom = bytes(128) + b"DICM" + tag * 60_000
    chain = bytearray(FILES[".oib"])
    struct.pack_into("<I", chain, 512 + 4, 1)  # a sector that follows itself
    return {
        "zip bomb": (".zip", zip_of(*[(f"{n}", bytes(1 << 20)) for n in range(90)])),
        "gzip bomb": (".gz", gzip.compress(bytes(100 << 20), 9)),
        "empty gzip members": (".gz", gzip.compress(b"") * 30_000),
        "zstd": (".zst", zstd),
        "nd2 levels": (".nd2", nd2({b"ImageAttributesLV!": deep})),
        "nd2 bomb": (
            ".nd2",
            nd2({b"ImageAttributesLV!": b"\x4c\0" + bytes(10) + zlib.compress(bytes(64 << 20))}),
        ),
        "nd2 empty": (".nd2", nd2({b"ImageMetadataLV!": level("") * 20_000})),
        "fits cards": (".fits", fits),
        "boxes": (".mp4", boxes),
        "dicom": (".dcm", dicom),
        "ole loop": (".oib", bytes(chain)),
        "xml": (".xml", b"<a>" * 300_000),
        "entities": (
            ".xml",
            b'<!DOCTYPE a [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><a>&b;</a>',
        ),
        "json": (".json", b"[" * 500_000),
        "star": (".star", b"data_\n" + b"loop_\n" * 20_000),
        "mdoc": (".mdoc", b"[ZValue = 0]\nTiltAngle = 1\n" * 15_000),
        "oif": (".oif", b"[Axis 0 Parameters Common]\n" * 15_000),
        "tpx3": (".tpx3", b"TPX3\0\0\0\0" * 20_000),
        "tar": (".tar", FILES[".tar"][:512] * 2 + PIXELS),
    }


@pytest.mark.parametrize("name", hostile())
def test_a_hostile_file_costs_little(tmp_path: Path, name: str) -> None:
    extension, data = hostile()[name]
    file = tmp_path / "file"
    file.write_bytes(data)
    began = time.process_time()
    with contextlib.suppress(RecordMissing):
        describe_file(file, f"a{extension}")
    assert time.process_time() - began < 3  # a second, on a machine that has nothing else to do


@pytest.mark.parametrize("name", ["nd2 bomb", "nd2 levels", "xml", "json", "ole loop", "star"])
def test_a_hostile_file_takes_little_memory(name: str) -> None:
    extension, data = hostile()[name]
    tracemalloc.start()
    verdict(data, f"a{extension}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 << 20
