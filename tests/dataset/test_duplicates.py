"""Pictures that look the same."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgcrawl.dataset.duplicates import write_duplicates
from imgcrawl.dataset.near_duplicates import NearDuplicates
from imgcrawl.pictures.phash import phash
from replicas import pictures
from tests.dataset.entries import missing, rows, stored

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory


def near_groups(values: list[int]) -> list[list[str]]:
    """Return the groups of records of these hashes, whose ids are their places."""
    pictures = ((str(n), str(n), f"{value:016x}") for n, value in enumerate(values))
    with closing(NearDuplicates(pictures)) as near:
        return [[*near.members(group)] for group in near.groups()]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.data())
def test_every_pair_within_three_bits_is_in_one_group(
    values: list[int], data: st.DataObject
) -> None:
    for value in values[:5]:
        flips = data.draw(st.lists(st.integers(0, 63), max_size=4, unique=True))
        values.append(value ^ sum(1 << bit for bit in flips))
    groups = near_groups(values)
    of = {name: number for number, group in enumerate(groups) for name in group}
    for a, first in enumerate(values):
        for b, second in enumerate(values):
            if a < b and (first ^ second).bit_count() <= 3:
                assert of[str(a)] == of[str(b)]
    for group in groups:  # and nobody is in a group without such a neighbour
        for name in group:
            others = [values[int(other)] for other in group if other != name]
            assert min((values[int(name)] ^ other).bit_count() for other in others) <= 3


def test_a_smaller_copy_looks_the_same_and_another_picture_does_not(tmp_path: Path) -> None:
    image = pictures.lesion(3, (300, 200))
    image.save(tmp_path / "a.jpg", quality=95)
    image.resize((150, 100)).save(tmp_path / "b.png")
    image.save(tmp_path / "c.jpg", quality=40)
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "d.png")
    pictures.lesion(4, (300, 200)).save(tmp_path / "e.png")
    hashes = {
        name: int(phash(tmp_path / name, "JPEG" if name.endswith("jpg") else "PNG") or "0", 16)
        for name in ("a.jpg", "b.png", "c.jpg", "d.png", "e.png")
    }
    near = {name for name, value in hashes.items() if (value ^ hashes["a.jpg"]).bit_count() <= 3}
    assert near == {"a.jpg", "b.png", "c.jpg"}
    (tmp_path / "f.png").write_bytes(b"no picture")
    assert phash(tmp_path / "f.png", "PNG") is None


def test_groups_of_equal_bytes_say_what_they_are_across(
    out: OutputDirectory, ledger: Ledger
) -> None:
    ledger.write(
        [
            stored("a", _sha256="aa", label="cat", split="train"),
            stored("b", _sha256="aa", label="dog", split="test"),
            stored("c", _sha256="bb", label="cat", split="train"),
            stored("d", _sha256="bb", label="cat", split="train"),
            stored("e", _sha256="cc"),
            missing("f", sha256="cc"),  # one that is not there is no duplicate
        ]
    )
    write_duplicates(out, ledger)
    table = rows(out, "duplicates.csv")
    assert [(row["group"], row["record_id"], row["across"]) for row in table] == [
        ("1", "a", "classes+splits"),
        ("1", "b", "classes+splits"),
        ("2", "c", ""),
        ("2", "d", ""),
    ]
    assert {row["kind"] for row in table} == {"exact"}


def test_similar_pictures_are_groups_of_their_own(out: OutputDirectory, ledger: Ledger) -> None:
    ledger.add_columns(["phash"])
    ledger.write(
        [
            stored("a", _sha256="aa", phash="00000000000000ff"),
            stored("b", _sha256="bb", phash="00000000000000fe"),
            # Equal bytes are a group once, and not again for their equal hashes.
            stored("c", _sha256="cc", phash="ffff000000000000"),
            stored("d", _sha256="cc", phash="ffff000000000000"),
        ]
    )
    write_duplicates(out, ledger)
    table = rows(out, "duplicates.csv")
    assert [(row["kind"], row["record_id"]) for row in table] == [
        ("exact", "c"),
        ("exact", "d"),
        ("near", "a"),
        ("near", "b"),
    ]
    assert [row["group"] for row in table] == ["1", "1", "2", "2"]


def test_a_table_of_an_earlier_run_is_removed(out: OutputDirectory, ledger: Ledger) -> None:
    (out.root / "duplicates.csv").write_text("group\n1\n")
    ledger.write([stored("a", _sha256="aa"), stored("b", _sha256="bb")])
    write_duplicates(out, ledger)
    assert not (out.root / "duplicates.csv").exists()
