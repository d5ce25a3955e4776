"""The tars of WebDataset, which are written without tarfile: byte for byte as that writes them."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.exports.bodies import Bodies, Body
from imgcrawl.exports.formats.webdataset import TarWriter, header
from imgcrawl.exports.source import ExportRecord

if TYPE_CHECKING:
    from pathlib import Path


@given(
    st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=120),
    st.one_of(st.integers(0, 1 << 20), st.integers(8**11 - 2, 8**11 + 2)),
)
def test_a_header_is_that_of_tarfile(name: str, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    assert header(name, size) == member.tobuf(tarfile.PAX_FORMAT)


@pytest.mark.parametrize("n", [0, 1, 9, 40])
def test_a_tar_ends_as_tarfile_ends_it(tmp_path: Path, n: int) -> None:
    writer = TarWriter(tmp_path / "ours.tar")
    with tarfile.open(tmp_path / "tarfile.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for k in range(n):
            body, row = bytes(k * 300), {"record_id": f"r{k}", "é": None}
            record = ExportRecord(row, f"r{k}", "all", "")
            writer.add(record, Bodies(Body(body, ".jpg"), [Body(b"m", ".png"), Body(b"n", ".png")]))
            text = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
            for name, data in (
                ("jpg", body),
                ("mask.png", b"m"),
                ("mask1.png", b"n"),
                ("json", text),
            ):
                member = tarfile.TarInfo(f"r{k}.{name}")
                member.size, member.mode = len(data), 0o644
                tar.addfile(member, BytesIO(data))
    writer.close()
    assert (tmp_path / "ours.tar").read_bytes() == (tmp_path / "tarfile.tar").read_bytes()
