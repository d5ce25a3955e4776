"""SIF of Andor: what it says, and where its pixels end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.proof import Checked
from imgcrawl.microscopy.ranges import bytes_ranges
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.microscopy.files import PIXELS, sif

if TYPE_CHECKING:
    from imgcrawl.microscopy.facts import FileFacts


def described(data: bytes) -> FileFacts:
    return describe(bytes_ranges(data), name="a.sif")


def test_the_camera_and_the_pictures() -> None:
    facts = described(sif())
    assert (facts.size_t, facts.size_y, facts.size_x, facts.dtype) == (2, 24, 32, "float32")
    assert (facts.detector, facts.extra) == ("DU897_BV", {"exposure": 0.25})
    assert facts.proof.checked is Checked.WHOLE


def test_one_picture_and_several_parts_of_the_sensor() -> None:
    data = sif().replace(b"1 2 1 1536 768\n", b"1 2 2 3072 1536\n", 1)
    part = b"65538 65 112 128 65 2 2 0\n"
    data = data.replace(part, part * 2, 1).replace(PIXELS, PIXELS * 2, 1)
    facts = described(data)
    assert (facts.size_t, facts.size_y, facts.size_x) == (2, 48, 32)
    whole = sif()
    behind = whole.rindex(PIXELS) + len(PIXELS) + 4
    assert described(whole[:behind]).proof.checked is Checked.WHOLE  # without XML, as of old
    one = sif().replace(b"1 2 1 1536 768\n", b"1 1 1 768 768\n", 1)
    one = one.replace(b"     90000\n", b"", 1).replace(PIXELS, PIXELS[: 4 * 768], 1)
    assert described(one).size_t is None


def test_each_cut_is_seen() -> None:
    data = sif()
    first, second = data.index(PIXELS), data.rindex(PIXELS)
    ends = (first + len(PIXELS), first + len(PIXELS) + 2, second - 40, second + len(PIXELS) + 2)
    for end in (30, 90, first, first + 99, second + 10, *ends, len(data) - 30, len(data) - 1):
        with pytest.raises(RecordMissing) as caught:
            described(data[:end])
        assert caught.value.outcome in {Outcome.TRUNCATED, Outcome.CORRUPT, Outcome.NOT_IMAGE}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1 2 1 1536 768", b"1 2 1 1537 768"),
        (b"1 2 1 1536 768", b"1 0 1 1536 768"),
        (b"65 112 128 65 2 2", b"65 0 128 65 2 2"),
        (b"     90000\n", b"     ninety\n"),
        (b"65541 1 512", b"65541 x 512"),
    ],
)
def test_numbers_that_contradict_each_other(old: bytes, new: bytes) -> None:
    head, _, rest = sif().partition(PIXELS)
    with pytest.raises(RecordMissing) as caught:
        described(head.replace(old, new) + PIXELS + rest)
    assert caught.value.outcome in {Outcome.CORRUPT, Outcome.TRUNCATED}
