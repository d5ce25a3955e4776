"""The names of what is in an archive, as its writer has them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.records.errors import RecordMissing
from tests.microscopy.test_wrong_bytes import described

if TYPE_CHECKING:
    from pathlib import Path

PARTS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", categories=["L", "N"]), min_size=1
)
NAMES = st.lists(st.lists(PARTS, min_size=1, max_size=9).map("/".join), min_size=1, max_size=5)


def extra(folder: Path, name: str, data: bytes) -> dict[str, Any]:
    facts = described(folder, name, data)
    assert not isinstance(facts, RecordMissing), facts.message
    return dict(facts.extra)


def tar_of(names: list[str], form: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@given(names=NAMES)
def test_a_tar(tmp_path_factory: pytest.TempPathFactory, names: list[str], form: int) -> None:
    found = extra(tmp_path_factory.mktemp("tar"), "a.tar", tar_of(names, form))
    assert found == {"members": len(names), "member_names": "; ".join(names)}


def test_long_names_and_many(tmp_path: Path) -> None:
    long = [f"{'d' * 90}/{'e' * 90}/{n}.tif" for n in range(3)]
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        found = extra(tmp_path, "a.tar", tar_of(long, form))
        assert found == {"members": 3, "member_names": "; ".join(long)}
    many = [f"plate/{n:03}.tif" for n in range(250)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in many:
            archive.writestr(name, b"")
    for name, data in (("a.zip", buffer.getvalue()), ("a.tar", tar_of(many, tarfile.GNU_FORMAT))):
        found = extra(tmp_path, name, data)
        shown = found["member_names"].split("; ")
        assert shown[:-1] == many[: len(shown) - 1]
        assert shown[-1] == f"and {250 - len(shown) + 1} more"
        assert (found["members"], len(found["member_names"]) < 1100) == (250, True)


def test_names_that_would_deceive_a_terminal(tmp_path: Path) -> None:
    found = extra(tmp_path, "a.tar", tar_of(["a\x1b[2Jb", "x\ny"], tarfile.GNU_FORMAT))
    assert "\x1b" not in found["member_names"]
    assert "\n" not in found["member_names"]
