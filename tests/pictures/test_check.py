from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imgcrawl.pictures import jpeg, tiff
from imgcrawl.pictures.check import CheckLevel, check_image
from imgcrawl.pictures.sniff import EXTENSIONS
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.pictures.samples import (
    CHECKING,
    EVERY_LEVEL,
    LIMITS,
    exif,
    picture,
    refusal,
    samples,
    saved,
    verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# Valid pictures


@pytest.mark.parametrize("name", samples())
@EVERY_LEVEL
def test_facts(name: str, level: CheckLevel, tmp_path: Path) -> None:
    data, facts = samples()[name]
    assert check_image(data, level, LIMITS) == facts
    file = tmp_path / "without extension"
    file.write_bytes(data)
    assert check_image(file, level, LIMITS) == facts


@pytest.mark.parametrize("name", samples())
def test_extension_is_listed(name: str) -> None:
    assert samples()[name][1].extension in EXTENSIONS


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_orientation(turn: int) -> None:
    data = saved("JPEG", exif=exif(turn))
    assert check_image(data, CheckLevel.HEADER).orientation == turn


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"Exif\0\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x09\0\0\0",
        b"II*\0\x08\0\0\0\1\0\x12\1\2\0\1\0\0\0\6\0\0\0",
        b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0",
        b"XX*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0",
    ],
)
def test_no_orientation(block: bytes) -> None:
    assert tiff.orientation(block) is None


def test_orientation_of_either_order_and_type() -> None:
    assert tiff.orientation(b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0") == 6
    assert tiff.orientation(b"II*\0\x08\0\0\0\1\0\x12\1\4\0\1\0\0\0\6\0\0\0") == 6
    assert tiff.orientation(b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\5\0\0") == 5


def test_agrees_with_pillow_on_jpegs() -> None:
    for name, (data, _) in samples().items():
        if name.startswith("jpeg ") and "2000" not in name:
            with Image.open(io.BytesIO(data)) as image:
                header = jpeg.read_header(data)
                assert (header.width, header.height, header.mode) == (*image.size, image.mode)
                assert header.orientation == image.getexif().get(0x0112)


# Damage


def truncated(data: bytes, dice: random.Random) -> bytes:
    return data[: int(len(data) * dice.uniform(0.3, 0.95))]


def end_patched(data: bytes, dice: random.Random) -> bytes:
    return truncated(data, dice) + b"\xff\xd9"


def zeroed(data: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(data) // 4, len(data) - 2100)
    return data[:start] + bytes(2048) + data[start + 2048 :]


def flipped(data: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(data) // 4, len(data) - 100)
    return data[:start] + bytes(b ^ 0xFF for b in data[start : start + 64]) + data[start + 64 :]


@pytest.mark.parametrize(
    ("damage", "least", "refused"),
    [(truncated, 30, Outcome.TRUNCATED), (end_patched, 30, None), (zeroed, 29, None)],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_damage_to_jpegs(
    damage: Callable[[bytes, random.Random], bytes],
    least: int,
    refused: Outcome | None,
    mode: str,
) -> None:
    dice = random.Random(7)
    noticed = 0
    for seed in range(30):
        image = picture(seed % 5, (320, 240)).convert(mode)
        found = verdict(damage(saved("JPEG", image, quality=90), dice))
        if isinstance(found, RecordMissing):
            noticed += 1
            assert found.outcome is (refused or Outcome.CORRUPT)
        else:
            noticed += found.suspect is not None
            assert refused is None
    assert noticed >= least


def test_flipped_bytes_are_mostly_noticed_and_never_by_the_header() -> None:
    dice = random.Random(7)
    noticed = 0
    for seed in range(40):
        data = flipped(saved("JPEG", picture(seed % 5, (320, 240)), quality=90), dice)
        assert check_image(data, CheckLevel.HEADER).suspect is None
        found = verdict(data)
        if isinstance(found, RecordMissing):
            noticed += 1
            assert found.outcome is Outcome.CORRUPT
        else:
            noticed += found.suspect is not None
    assert noticed >= 20


def test_suspect_is_in_the_words_of_libjpeg() -> None:
    data = end_patched(saved("JPEG", picture(0, (320, 240))), random.Random(1))
    assert check_image(data).suspect == "Corrupt JPEG data: premature end of data segment"


def test_odd_but_sound_jpegs_are_not_suspect() -> None:
    data = saved("JPEG")
    # A subsampling that the strict reader has no name for, in all components.
    at = data.index(b"\xff\xc0") + 11
    odd = saved("JPEG", Image.new("RGB", (64, 64), "grey"))
    odd = odd[:at] + b"\x13" + odd[at + 1 :]
    assert jpeg.complaint(odd)
    assert check_image(odd).suspect is None
    jfif = data.index(b"JFIF\0") + 5
    assert "revision" in (jpeg.complaint(data[:jfif] + b"\5" + data[jfif + 1 :]) or "")
    assert check_image(data[:jfif] + b"\5" + data[jfif + 1 :]).suspect is None


@pytest.mark.parametrize("name", samples())
@CHECKING
def test_truncation_is_told_as_such(name: str, level: CheckLevel) -> None:
    data, facts = samples()[name]
    if facts.format in {"BMP", "PPM"} and level is CheckLevel.HEADER:
        pytest.skip("the header alone does not tell")
    if "tail" in name:
        data = data.rstrip(b"a note\0;")
    if name == "jpeg mpo":  # the second picture is beyond the end of the first
        data = data[: data.index(b"\xff\xd8", 2) - 2]
    for share in (0.4, 0.7, 0.95):
        cut = refusal(data[: int(len(data) * share)], level)
        assert cut.outcome is Outcome.TRUNCATED, (share, cut)


@pytest.mark.parametrize("name", ["png", "png 16 bits", "png palette", "apng", "tiff lzw", "gif"])
def test_damage_inside_is_corrupt(name: str) -> None:
    data, _ = samples()[name]
    middle = len(data) * 2 // 3
    noise = random.Random(3).randbytes(64)
    bad = refusal(data[:middle] + noise + data[middle + 64 :])
    assert bad.outcome is Outcome.CORRUPT


@CHECKING
def test_gif_without_trailer_is_kept_but_suspect(level: CheckLevel) -> None:
    data, facts = samples()["gif animated"]
    kept = check_image(data[:-1], level)
    assert (kept.frames, kept.suspect) == (facts.frames, "the GIF has no trailer")
    assert refusal(data[:-2], level).outcome is Outcome.TRUNCATED


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"\xff\xd8\xff\xd9", Outcome.CORRUPT),
        (b"\xff\xd8\xff", Outcome.TRUNCATED),
        (b"\xff\xd8" + b"\xff" * 9999, Outcome.TRUNCATED),
        (b"\xff\xd8\xff\xe0\0\0\xff\xd9", Outcome.CORRUPT),
        (b"\xff\xd8\xff\xe0\xff\xff\xff\xd9", Outcome.CORRUPT),
        (b"\xff\xd8" + b"\xff\xe0\0\2" * 20_000, Outcome.TRUNCATED),
        (b"\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0\xff\xd9", Outcome.CORRUPT),
        (b"\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0", Outcome.TRUNCATED),
        (b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\1\1\1\x11\0\xff\xd9", Outcome.CORRUPT),
        (b"\xff\xd8\xff\xc0\0\x0b\x0c\0\1\0\1\1\1\x11\0\xff\xd9", Outcome.CORRUPT),
        (b"\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\2\1\x11\0\xff\xd9", Outcome.CORRUPT),
        (b"\xff\xd8\xff\xc0\0\3\x08\xff\xd9", Outcome.CORRUPT),
        (b"\x89PNG\r\n\x1a\n", Outcome.TRUNCATED),
        (b"GIF89a", Outcome.TRUNCATED),
        (b"II*\0", Outcome.TRUNCATED),
        (b"MM\0+\0\x08\0\0", Outcome.TRUNCATED),
        (b"RIFF\xff\xff\xff\xffWEBP", Outcome.TRUNCATED),
    ],
)
@CHECKING
def test_stubs(body: bytes, outcome: Outcome, level: CheckLevel) -> None:
    assert refusal(body, level).outcome is outcome
    assert check_image(body, CheckLevel.OFF).width in {None, 1}


def test_off_minds_no_damage() -> None:
    for name, (data, facts) in samples().items():
        stub = check_image(data[: len(data) // 2], CheckLevel.OFF, LIMITS)
        assert (stub.format, stub.extension) == (facts.format, facts.extension), name
