"""The table beside a copy."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.volumes.copy.object_table import CopiedObject, read_table, write_table

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DIGESTS = [hashlib.sha256(text).hexdigest() for text in (b"a", b"b")]


def test_a_table_is_what_sha256sum_checks(tmp_path: Path) -> None:
    objects = [
        CopiedObject("s0/0.0", 1, "etag", 1, DIGESTS[0]),
        CopiedObject("s0/0 1", None, "a\tb\nc", 7, DIGESTS[1]),
    ]
    table = tmp_path / "table.tsv"
    total = write_table(table, iter(objects))
    assert table.read_text() == (
        f"key\tsize\tetag\tsha256\ns0/0.0\t1\tetag\t{DIGESTS[0]}\ns0/0 1\t7\ta b c\t{DIGESTS[1]}\n"
    )
    lines = f"{DIGESTS[0]}  s0/0.0\n{DIGESTS[1]}  s0/0 1\n".encode()
    assert (total.objects, total.bytes) == (2, 8)
    assert total.sha256 == hashlib.sha256(lines).hexdigest()


def test_lines_that_are_no_objects_are_passed_over(tmp_path: Path) -> None:
    table = tmp_path / "table.tsv"
    lines = [
        "key\tsize\tetag\tsha256",
        f"a\t1\t\t{DIGESTS[0]}",
        f"../a\t1\t\t{DIGESTS[0]}",
        f"b\tmany\t\t{DIGESTS[0]}",
        "c\t1",
    ]
    table.write_text("\n".join(lines))
    assert list(read_table(table)) == [CopiedObject("a", 1, None, 1, DIGESTS[0])]


KEYS = st.from_regex(r"[a-z0-9. ]{1,8}x(/[a-zé]{1,8}){0,2}", fullmatch=True)
COPIED = st.builds(
    CopiedObject,
    KEYS,
    size=st.integers(0, 10**15),
    etag=st.none() | st.from_regex(r"[!-~]{1,40}", fullmatch=True),
    bytes=st.just(0),
    sha256=st.sampled_from(DIGESTS),
)


@given(st.lists(COPIED, max_size=8))
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, objects: list[CopiedObject]
) -> None:
    table = tmp_path_factory.getbasetemp() / "any.tsv"
    write_table(table, iter(objects))
    found = [(each.key, each.size, each.etag, each.sha256) for each in read_table(table)]
    assert found == [(each.key, each.size, each.etag, each.sha256) for each in objects]
