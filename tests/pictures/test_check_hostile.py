from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngImageFile

from imgcrawl.pictures import tiff_pages
from imgcrawl.pictures.check import CheckLevel, PixelLimits, check_image
from imgcrawl.pictures.sniff import EXTENSIONS
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.pictures.samples import (
    EVERY_LEVEL,
    LIMITS,
    gif_of,
    png_of,
    refusal,
    samples,
    saved,
    tiff_of,
    verdict,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# Limits and bombs


def test_too_small_and_too_large() -> None:
    for name, (data, _) in samples().items():
        for level in CheckLevel:
            small = refusal(data, level, PixelLimits(min_width=91))
            assert small.outcome is Outcome.TOO_SMALL, name
            assert small.message == "90 x 60 pixels, less than 91 x 1"
            assert refusal(data, level, PixelLimits(min_height=61)).outcome is Outcome.TOO_SMALL
            large = refusal(data, level, PixelLimits(max_pixels=5399))
            assert large.outcome is Outcome.TOO_LARGE, name
            long = refusal(data, level, PixelLimits(max_aspect_ratio=1.4))
            assert long.message == "90 x 60 pixels, an aspect ratio of more than 1.4"
            assert long.outcome is Outcome.TOO_LARGE
    just = PixelLimits(max_pixels=5400, min_width=90, min_height=60, max_aspect_ratio=1.5)
    assert check_image(saved("PNG"), limits=just).width == 90


@pytest.mark.parametrize("name", samples())
def test_not_decoded_but_kept(name: str) -> None:
    data, facts = samples()[name]
    kept = check_image(data, CheckLevel.DECODE, PixelLimits(max_decode_pixels=5399))
    assert kept.suspect == "not decoded: 5,400 pixels"
    assert kept.frames == facts.frames


def test_budget_of_an_animation() -> None:
    data, _ = samples()["gif animated"]
    kept = check_image(data, CheckLevel.DECODE, PixelLimits(max_decode_pixels=60_000))
    assert kept.suspect == "not decoded: frames from 3 of 3"


SOF = b"\xff\xc0\0\x11\x08\xff\xff\xff\xff\3\1\x22\0\2\x11\1\3\x11\1"
BOMBS = {
    "png": png_of(100_000, 100_000),
    "jpeg": b"\xff\xd8" + SOF + b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0\0\xff\xd9",
    "jpeg stub": b"\xff\xd8" + SOF,
    "gif": gif_of((65_535, 65_535), (0, 0, 65_535, 65_535)),
    "tiff": tiff_of({256: (4, [2**31 - 1]), 257: (4, [2**31 - 1]), 273: (4, [8]), 279: (4, [1])}),
    "bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 65_000, 65_000, 1, 24, *[0] * 6),
    "webp": b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + b"\0" * 4 + b"\xff\xff\0\xff\xff\0",
}


@pytest.mark.parametrize("name", BOMBS)
@EVERY_LEVEL
def test_bombs_are_refused_by_their_headers(name: str, level: CheckLevel) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        bad = refusal(BOMBS[name], level, PixelLimits())
    assert bad.outcome is Outcome.TOO_LARGE
    assert not [w for w in said if issubclass(w.category, Image.DecompressionBombWarning)]


@pytest.mark.parametrize(
    "body",
    [
        png_of(12_000, 9_000),
        tiff_of(
            {
                256: (4, [12_000]),
                257: (4, [9_000]),
                258: (3, [1]),
                259: (3, [1]),
                262: (3, [1]),
                273: (4, [8]),
                278: (4, [9_000]),
                279: (4, [64]),
            },
            bytes(64),
        ),
        gif_of((12_000, 9_000), (0, 0, 12_000, 9_000)),
        gif_of((10, 10), (0, 0, 12_000, 9_000)),
        gif_of((10, 10), (60_000, 60_000, 20, 20)),
    ],
    ids=["png", "tiff", "gif", "gif frame", "gif frame far out"],
)
@EVERY_LEVEL
def test_pillows_guard_stays_silent_and_in_place(body: bytes, level: CheckLevel) -> None:
    """Pictures of more pixels than Pillow's guard passes without a warning."""
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        verdict(body, level, PixelLimits())
    assert not [w for w in said if issubclass(w.category, Image.DecompressionBombWarning)]
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def test_a_guard_that_is_lowered_or_gone_is_minded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    kept = check_image(samples()["tiff"][0], CheckLevel.DECODE, LIMITS)
    assert kept.suspect == "not decoded: 5,400 pixels"
    assert refusal(samples()["gif"][0]).outcome is Outcome.TOO_LARGE
    assert check_image(samples()["png"][0], CheckLevel.DECODE, LIMITS).suspect is None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    for name in ("tiff", "gif", "webp"):
        assert check_image(samples()[name][0], CheckLevel.DECODE, LIMITS).suspect is None


def test_scans_without_end() -> None:
    data = saved("JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    endless = data[:-2] + scan * 20_000 + data[-2:]
    assert (check_image(endless, limits=LIMITS).suspect or "").startswith("not decoded: 20,0")


def test_plain_pnm_of_comments() -> None:
    # Pillow would take minutes.
    kept = check_image(b"P1 1000 1000\n" + b"#\n" * 10_000_000, limits=LIMITS)
    assert kept.suspect == "not decoded: 20,000,013 bytes of plain PNM"
    assert check_image(b"P2 2 1 9 #x\n1 2 ").suspect is None


@pytest.mark.slow
def test_directories_in_a_loop() -> None:
    tags = {256: (3, [4]), 257: (3, [4]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1])}
    tags |= {273: (4, [8]), 278: (3, [4]), 279: (4, [16])}
    loop = tiff_of(tags, bytes(16), link=24)
    assert check_image(loop, CheckLevel.DECODE).frames == 1
    # Two directories that point at each other, and a chain of a great many.
    pair = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<HIHI", 0, 14, 0, 8)
    found = tiff_pages.pages(pair)
    assert (found.count, found.problem) == (2, "")
    assert found.suspect == "page 0: it has no pixels; page 1: it has no pixels"
    links = b"".join(struct.pack("<HI", 0, 8 + 6 * (i + 1)) for i in range(200_000))
    chain = struct.pack("<2sHI", b"II", 42, 8) + links
    found = tiff_pages.pages(chain)
    assert 5_000 < found.count < tiff_pages.MAX_PAGES
    assert not found.counted
    assert not tiff_pages.pages(chain[:600]).complete
    refusal(chain)


def test_pages_are_counted_to_the_last() -> None:
    rest = [Image.new("L", (2, 2), shade) for shade in range(200)]
    data = saved("TIFF", Image.new("L", (2, 2)), save_all=True, append_images=rest)
    assert check_image(data, limits=LIMITS).frames == 201
    assert tiff_pages.pages(data) == tiff_pages.TiffPages(201)


def test_pixels_of_a_tiff_beyond_its_end() -> None:
    data = samples()["tiff"][0]
    front = tiff_of(
        {
            256: (3, [90]),
            257: (3, [60]),
            258: (3, [8]),
            259: (3, [5]),
            262: (3, [1]),
            273: (4, [500]),
            279: (4, [5400]),
        }
    )
    assert refusal(front, CheckLevel.HEADER).outcome is Outcome.TRUNCATED
    assert refusal(data[:-1], CheckLevel.HEADER).outcome is Outcome.TRUNCATED


# Hostile bytes


def outcome_of(data: bytes) -> None:
    """Check at every level; anything but facts and RecordMissing fails the test."""
    for level in CheckLevel:
        found = verdict(data, level)
        if isinstance(found, RecordMissing):
            assert found.message.isprintable()
            if level is CheckLevel.OFF:
                assert found.outcome not in {Outcome.CORRUPT, Outcome.TRUNCATED}
        else:
            assert found.extension in EXTENSIONS


MAGICS = st.sampled_from(
    [
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"GIF89a",
        b"II*\0\x08\0\0\0",
        b"MM\0*\0\0\0\x08",
        b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        b"RIFF\x10\0\0\0WEBPVP8X",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\xff\x4f\xff\x51\0",
        b"\0\0\0\x18ftypavif",
        b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
        b"P6 ",
        b"P1 9 9\n",
        b"<?xml",
        b"<html",
        b"\xef\xbb\xbf{",
    ]
)


@given(MAGICS, st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_arbitrary_bytes(magic: bytes, rest: bytes) -> None:
    outcome_of(magic + rest)


@given(
    st.sampled_from(sorted(samples())),
    st.lists(
        st.tuples(
            st.sampled_from(["set", "cut", "copy", "end"]),
            st.integers(0, 1 << 16),
            st.binary(min_size=1, max_size=8) | st.just(b"\xff" * 4) | st.just(bytes(4)),
        ),
        min_size=1,
        max_size=6,
    ),
)
@settings(max_examples=300, deadline=None)
def test_mutations(name: str, edits: list[tuple[str, int, bytes]]) -> None:
    data = bytearray(samples()[name][0])
    for kind, place, patch in edits:
        # Headers are where the harm is: every second edit hits the first bytes.
        at = place % (min(len(data), 256) if place % 2 else len(data))
        if kind == "set":
            data[at : at + len(patch)] = patch
        elif kind == "cut":
            del data[at : at + 10 * len(patch)]
        elif kind == "copy":
            data[at:at] = data[: 4 * len(patch)]
        else:
            del data[max(at, 16) :]
        data = data or bytearray(b"x")
    outcome_of(bytes(data))


@pytest.mark.parametrize(
    "error",
    [
        OSError("cannot"),
        SyntaxError("not a PNG"),
        ValueError("bad"),
        struct.error("unpack"),
        EOFError(),
        zlib.error("Error -3"),
        OverflowError("too big"),
        MemoryError(),
        TypeError("what"),
        IndexError("index"),
        KeyError(7),
        RuntimeError("x"),
        RecursionError(),
        AssertionError(),
        Image.DecompressionBombWarning("y"),
    ],
)
def test_whatever_pillow_raises(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(PngImageFile, "load", fail)
    bad = refusal(saved("PNG"))
    assert bad.outcome is Outcome.CORRUPT
    assert bad.message.startswith("does not decode as PNG: ")
    assert len(bad.message) > len("does not decode as PNG: ")


def test_a_failing_disk_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(PngImageFile, "load", fail)
    with pytest.raises(OSError, match="Input/output"):
        check_image(saved("PNG"))
    with pytest.raises(FileNotFoundError):
        check_image(Path("/nowhere/at/all"))


def test_no_other_plugin_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "OPEN", {})
    monkeypatch.setattr(Image, "init", lambda: pytest.fail("plugins were searched"))
    for data, facts in samples().values():
        assert check_image(data, CheckLevel.DECODE, LIMITS) == facts
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    assert refusal(postscript).outcome is Outcome.NOT_IMAGE


def test_threads_do_not_disturb_each_other() -> None:
    jobs = list(samples().values()) * 4
    jobs += [(data[: len(data) // 2], facts) for data, facts in jobs]

    def words(data: bytes) -> str:
        found = verdict(data)
        return found.message if isinstance(found, RecordMissing) else repr(found)

    bodies = [data for data, _ in jobs]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(words, bodies)) == list(map(words, bodies))


def test_long_files_are_not_read_into_memory(tmp_path: Path) -> None:
    file = tmp_path / "long"
    with file.open("wb") as out:
        out.write(saved("JPEG"))
        out.truncate(1 << 40)  # sparse
        out.seek(0, 2)
        out.write(b"\xff\xd9")
    assert check_image(file, CheckLevel.HEADER).width == 90


def test_module_imports_no_crawler() -> None:
    code = "import sys, imgcrawl.pictures.check, imgcrawl.text.filenames, imgcrawl.text.csv_cells;"
    code += "sys.exit(any(name.split('.')[0] in {'scrapy', 'twisted'} for name in sys.modules))"
    with tempfile.TemporaryFile() as output:
        root = Path(__file__).parents[2]
        assert subprocess.call([sys.executable, "-c", code], stdout=output, cwd=root) == 0


@pytest.mark.parametrize("kind", [b"teXt", b"IDAT", b"fdAT"])
def test_a_png_of_hardly_anything_but_chunks(kind: bytes) -> None:
    data = saved("PNG")
    for place in (data.index(b"IDAT") - 4, len(data) - 12):
        empty = struct.pack(">I4sI", 0, kind, zlib.crc32(kind))
        bad = refusal(data[:place] + empty * 400_000 + data[place:])
        assert bad.outcome is Outcome.CORRUPT
        assert "PNG of" in bad.message
        # A few thousand are as pictures have them.
        assert (
            check_image(data[:place] + empty * 3000 * (kind == b"teXt") + data[place:]).width == 90
        )
