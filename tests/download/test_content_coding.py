"""What a server packs on its own account is unpacked, and what is an archive is not."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING

import pytest

from imgcrawl.download.content_coding import undo_coding
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(256)) * 9000


@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        (gzip.compress(DATA, mtime=0), DATA),
        (gzip.compress(DATA[:5], mtime=0) + gzip.compress(DATA[5:], mtime=0), DATA),
        (gzip.compress(b"", mtime=0), b""),
    ],
)
def test_a_coding_is_undone(packed: bytes, expected: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.part"
    file.write_bytes(packed)
    assert undo_coding(file, "gzip", "files/x.tif") == hashlib.sha256(expected).hexdigest()
    assert file.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("data", "coding", "name"),
    [
        (gzip.compress(DATA, mtime=0), "x-gzip", "a.nii.gz"),
        (gzip.compress(DATA, mtime=0), "", "a.tif"),
        (b"II*\0 plain, whatever the header says", "gzip", "a.tif"),
        (b"II*\0\x08\0\0\0" + bytes(100), "br", "a.tif"),
        (DATA, "identity", "a.dat"),
    ],
)
def test_what_is_left_as_it_is(data: bytes, coding: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / "x.part"
    file.write_bytes(data)
    assert undo_coding(file, coding, name) is None
    assert file.read_bytes() == data


def test_a_coding_that_is_not_undone_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.part"
    file.write_bytes(b"\x1b\x03\x00 something in brotli")
    with pytest.raises(RecordMissing, match="sent as br"):
        undo_coding(file, "br", "table.csv")


@pytest.mark.parametrize(
    ("packed", "outcome"),
    [
        (gzip.compress(DATA, mtime=0)[:-12], Outcome.TRUNCATED),
        (b"\x1f\x8b\x08" + b"x" * 100, Outcome.CORRUPT),
        (gzip.compress(DATA, mtime=0)[:-5] + b"12345", Outcome.CORRUPT),
    ],
)
def test_damage_is_told_and_the_file_stays(packed: bytes, outcome: Outcome, tmp_path: Path) -> None:
    file = tmp_path / "x.part"
    file.write_bytes(packed)
    with pytest.raises(RecordMissing) as caught:
        undo_coding(file, "gzip", "x.tif")
    assert caught.value.outcome is outcome
    assert file.read_bytes() == packed
    assert list(tmp_path.iterdir()) == [file]
