from __future__ import annotations

import contextlib
import io
import struct
import time
import tracemalloc
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.dm import read_tags
from imgcrawl.microscopy.merge import describe_file
from imgcrawl.microscopy.proof import Checked, Proof
from imgcrawl.microscopy.ranges import bytes_ranges
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from replicas.dm3 import Blob, Struct, write_dm

if TYPE_CHECKING:
    from pathlib import Path

_OUTCOMES = {
    Outcome.EMPTY,
    Outcome.NOT_IMAGE,
    Outcome.TRUNCATED,
    Outcome.CORRUPT,
    Outcome.TOO_LARGE,
}
_PILLOW = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM", "JPEG2000", "AVIF")


def saved(format_: str, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (90, 60)).save(file, format_)
    return file.getvalue()


def dm(version: int, *, little: bool = True) -> bytes:
    scales = {str(i): {"Scale": 4.0, "Units": "nm"} for i in range(2)}
    data = {
        "Calibrations": {"Dimension": scales},
        "Data": Blob(10, bytes(5400)),
        "DataType": 6,
        "Dimensions": {"0": 90, "1": 60},
    }
    tags = {"SBFSEM": {"Record": {"Slice thickness": 50.0}}, "s": Struct(((3, 1), (7, 2.0)))}
    whole = {"ImageList": {"0": {"ImageData": data, "ImageTags": tags}}}
    return write_dm(whole, version, little=little)


def tiff(**how: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((3, 60, 90), "uint8"), photometric="minisblack", **how)  # type: ignore[arg-type]
    return file.getvalue()


@cache
def samples() -> dict[str, bytes]:
    found = {name: saved(name) for name in _PILLOW}
    found |= {"DM3": dm(3), "DM4": dm(4, little=False)}
    found |= {"TIFF": tiff(metadata=None, bigtiff=True), "OME-TIFF": tiff(ome=True)}
    return found | {"ImageJ TIFF": tiff(imagej=True)}


def verdict(data: bytes, name: str = "") -> RecordMissing | None:
    try:
        describe(bytes_ranges(data), name=name)
    except RecordMissing as bad:
        return bad
    return None


@pytest.mark.parametrize("name", samples())
def test_told_by_the_bytes(name: str) -> None:
    for wrong in (f"a.{name}", "a.dm3", "a.tif", "a", ""):
        facts = describe(bytes_ranges(samples()[name]), name=wrong)
        assert facts.format == name
        assert (facts.size_y, facts.size_x, facts.dtype) == (60, 90, "uint8")
        assert "size_x" in facts.columns()


@pytest.mark.parametrize(
    ("format_", "mode", "dtype", "samples_"),
    [
        ("PNG", "I;16", "uint16", None),
        ("PNG", "1", "bool", None),
        ("PNG", "L", "uint8", None),
        ("PNG", "RGBA", "uint8", 4),
        ("JPEG", "CMYK", "uint8", 4),
    ],
)
def test_types_of_other_pictures(format_: str, mode: str, dtype: str, samples_: int | None) -> None:
    facts = describe(bytes_ranges(saved(format_, mode)))
    assert (facts.dtype, facts.size_c) == (dtype, samples_)
    assert facts.voxel_x_nm is None


@pytest.mark.parametrize("name", samples())
def test_cut(name: str) -> None:
    data = samples()[name]
    # The last byte of a pixmap is a pixel that nobody counts here; the others have an end.
    for end in (6, *([len(data) - 12] if name in {"PNG", "JPEG", "WEBP"} else ())):
        bad = verdict(data[:end])
        assert bad is not None
        assert bad.outcome in _OUTCOMES
    for end in range(0, len(data), 7):
        bad = verdict(data[:end])
        assert bad is None or bad.outcome in _OUTCOMES


def test_what_is_no_picture() -> None:
    page = b"<!DOCTYPE html><html><head><title>Log in</title></head></html>"
    bad = verdict(page, "slice_0000.dm3")
    assert bad is not None
    assert (bad.outcome, bad.message) == (
        Outcome.NOT_IMAGE,
        "named .dm3, but an HTML page: Log in",
    )
    for data, outcome in (
        (b"", Outcome.EMPTY),
        (b"Not found", Outcome.NOT_IMAGE),
        (b'{"error": 404}', Outcome.NOT_IMAGE),
        (bytes(1000), Outcome.NOT_IMAGE),
        (b"PK\3\4" + bytes(100), Outcome.NOT_IMAGE),
    ):
        bad = verdict(data, "a.tif" if data else "")
        assert bad is not None
        assert bad.outcome is outcome


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + b"\xff" * 13 + bytes(4),
        b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\0\1\1\x11\0\xff\xd9",
        b"GIF89a" + b"\xff" * 7,
        b"BM" + bytes(12) + struct.pack("<Iii", 40, -1, 2**31 - 1) + bytes(40),
        b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 100,
        b"II+\0\x08\0\0\0" + b"\xff" * 8,
        struct.pack(">III", 3, 2**32 - 1, 1) + b"\1\0" + b"\xff" * 40,
        struct.pack(">IQI", 4, 2**64 - 1, 1) + b"\1\0" + b"\xff" * 40,
    ],
)
def test_hostile_headers(data: bytes) -> None:
    bad = verdict(data)
    assert bad is not None
    assert bad.outcome in _OUTCOMES


# Noise: a verdict or a result, soon and in little memory

_NUMBERS = st.sampled_from([0, 1, 0x7F, 0x80, 0xFE, 0xFF])


@st.composite
def damaged(draw: st.DrawFn, names: tuple[str, ...]) -> bytes:
    data = bytearray(samples()[draw(st.sampled_from(names))])
    for _ in range(draw(st.integers(1, 8))):
        # Headers stand at either end: flips in the pixels between tell nothing.
        reach = min(len(data), 600)
        at = draw(st.integers(-reach, reach - 1))
        data[at] = draw(st.integers(0, 255) | _NUMBERS)
    end = draw(st.integers(0, len(data)) | st.just(len(data)))
    return bytes(data[:end])


@settings(max_examples=300, deadline=5000)
@given(damaged(tuple(samples())))
def test_damaged_files(data: bytes) -> None:
    bad = verdict(data)
    assert bad is None or bad.outcome in _OUTCOMES


@settings(max_examples=200, deadline=2000)
@given(
    st.sampled_from([b"", b"II*\0", b"MM\0+", b"\0\0\0\3\0\0\0\0\0\0\0\1", b"\x89PNG\r\n\x1a\n"]),
    st.binary(max_size=2000),
)
def test_random_bytes(magic: bytes, noise: bytes) -> None:
    bad = verdict(magic + noise)
    assert bad is None or bad.outcome in _OUTCOMES


@pytest.mark.slow
@settings(max_examples=400, deadline=2000)
@given(damaged(("DM3", "DM4")))
def test_damaged_tags(data: bytes) -> None:
    with contextlib.suppress(RecordMissing):
        read_tags(bytes_ranges(data))


@pytest.mark.slow
def test_time_and_memory_are_bounded() -> None:
    groups = (b"\x14\0\0" + b"\1\0" + struct.pack(">I", 0)) * 29_999
    many = struct.pack(">III", 3, 0, 1) + b"\1\0" + struct.pack(">I", 29_999) + groups
    strip = struct.pack("<HHII", 273, 4, 1 << 21, 8)
    shared = b"II*\0" + struct.pack("<IH", 8, 600) + strip * 600 + bytes((8 << 20) + 99)
    loop = b"II*\0" + struct.pack("<IHI", 8, 0, 8)
    for data in (many, shared, loop):
        tracemalloc.start()
        began = time.process_time()  # whatever else the machine is busy with
        verdict(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.process_time() - began < 20
        assert peak < 256 << 20


def _large_notes() -> dict[str, bytes]:
    """Pictures whose size stands behind more than a megabyte of notes, or which are read whole."""
    random, files = np.random.default_rng(1), {}
    notes = PngInfo()
    notes.add_text("meta", random.bytes(700_000).hex())
    wanted: tuple[tuple[str, tuple[int, int], dict[str, Any]], ...] = (
        ("a.png", (640, 480), {"pnginfo": notes}),
        ("a.jpg", (320, 200), {"icc_profile": random.bytes(1_400_000)}),
        ("a.webp", (64, 32), {"lossless": True, "xmp": random.bytes(17 << 20)}),
    )
    for name, size, options in wanted:
        file = io.BytesIO()
        format_ = {"a.jpg": "JPEG"}.get(name, name[2:].upper())
        Image.new("RGB", size, (9, 8, 7)).save(file, format_, **options)
        files[name] = file.getvalue()
    return files


def test_the_first_megabyte_need_not_tell_how_large_a_picture_is(tmp_path: Path) -> None:
    sides = {"a.png": (640, 480), "a.jpg": (320, 200), "a.webp": (64, 32)}
    for name, data in _large_notes().items():
        file = tmp_path / name
        file.write_bytes(data)
        facts = describe_file(file, name)
        assert (facts.size_x, facts.size_y) == sides[name]
        assert facts.proof == Proof(Checked.WHOLE)
        file.write_bytes(data[:-9])
        with pytest.raises(RecordMissing) as cut:
            describe_file(file, name)
        assert cut.value.outcome is Outcome.TRUNCATED
    # Over a network, a few megabytes more are read.
    for name in ("a.png", "a.jpg"):
        facts = describe(bytes_ranges(_large_notes()[name]), name=name, walk=False)
        assert (facts.size_x, facts.size_y) == sides[name]
