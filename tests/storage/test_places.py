"""No file of a record takes a name that is OUT's own, whatever its source calls it."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.records.items import FileItem, ImageItem
from imgcrawl.storage.directory import OWN_FILES, is_own
from imgcrawl.storage.places import document_path, is_reserved, place_aside, place_of, plain_folder

if TYPE_CHECKING:
    from collections.abc import Callable

OWN = sorted(
    OWN_FILES
    | {".lock", ".partial", ".parts", ".archives", "licenses", "sizes", "manifests"}
    | {"ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite-journal"}
    | {"verify.csv", "changes.csv", "masks.csv", "wells.csv", "splits.csv", "runs.csv"}
    | {"report.html", "dataset.lock.json", "metadata.parquet", "annotations.json"}
)
FORMS: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.title,
    str.swapcase,
    lambda name: f"{name}.",
    lambda name: f"{name} .. ",
    lambda name: f" {name}",
    lambda name: name.replace("s", "\u017f"),  # a long s, which folds to s
    lambda name: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name),  # wide
    "\u200b".join,
    lambda name: f"{name[:2]}\u202e{name[2:]}",
    lambda name: f"{name}\ufe0f",
    lambda name: f"{name[:3]}\u034f{name[3:]}\U000e0100",
    lambda name: name.replace("k", "\u212a"),  # the sign of kelvin
    lambda name: unicodedata.normalize("NFD", name),
]
LETTERS = st.sampled_from(
    [*"aAsS.-_ ~/", "\u017f", "\u200d", "\u0301", "\ufb01", "\uff33", "\ufe0f"]
)
LABELS = st.one_of(
    st.builds(lambda form, name: form(name), st.sampled_from(FORMS), st.sampled_from(OWN)),
    st.lists(st.sampled_from(OWN) | LETTERS, max_size=6).map("".join),
    st.text(max_size=30),
)


def folded(name: str) -> str:
    ignored = {"\ufe0f", "\u034f", "\U000e0100"}
    seen = "".join(c for c in name if unicodedata.category(c) != "Cf" and c not in ignored)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold()).rstrip(
        " ."
    )


@pytest.mark.parametrize("name", OWN)
def test_own_names_are_reserved_in_every_form(name: str) -> None:
    for form in FORMS:
        placed = place_of(ImageItem("1", [], f"{form(name)}/1"))
        assert folded(placed.partition("/")[0]) not in {folded(own) for own in OWN}, placed
    assert is_reserved(f"{name}/1")
    assert is_reserved(document_path(f"{name}/1")) == (name == "licenses")


@given(LABELS, st.booleans())
def test_no_label_takes_an_own_name(label: str, as_folder: bool) -> None:
    item = FileItem("1", [], f"{label}/1.bin" if as_folder else label)
    try:
        item.path = place_of(item)
    except ValueError:
        return
    first = item.path.partition("/")[0]
    assert not first.startswith(".")
    assert folded(first) not in {folded(own) for own in OWN}
    assert not is_own(item.path)
    assert place_of(item) == item.path


@pytest.mark.parametrize(
    "path",
    ["images/1", "Melanoma/1", "metadata/1", "summary/1", "ledger/1", "size/1", "data.csv/1"],
)
def test_ordinary_names_stay(path: str) -> None:
    assert place_of(ImageItem("1", [], path)) == path
    assert plain_folder(path) == path


def test_a_file_keeps_its_extension() -> None:
    placed = place_of(FileItem("1", [], "Summary.JSON"))
    assert placed.startswith("Summary~")
    assert placed.endswith(".JSON")
    aside = place_aside(FileItem("1", [], "data/a/x.tif"))
    assert aside.startswith("data_a_x~")
    assert aside.endswith(".tif")
    hidden = place_of(FileItem("1", [], "files/set.d/.hidden"))
    assert hidden.startswith("files/set.d/hidden~")  # in its folder


def test_what_a_user_puts_among_the_licences_is_no_ones() -> None:
    assert is_own("licenses/CC-0.txt")
    assert not is_own("licenses/CC-0.jpg")
    assert not is_own("licenses/more/a.txt")
