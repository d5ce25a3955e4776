from __future__ import annotations

import csv
import json
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.dataset.annotations import merge_annotations
from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.merge import MergeInput, merge_tables
from imgcrawl.dataset.record_columns import FIXED_COLUMNS
from imgcrawl.dataset.tables import CLASSES_COLUMNS, FAILURE_COLUMNS, LiveTables, write_all
from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import OutputDirectory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOW = "2026-01-01T00:00:00Z"
Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def stored(record_id: str, name: str, **metadata: object) -> LedgerEntry:
    result = Stored(name, "http://u", "http://u", "ab", 3, "JPEG", 1, 2, "RGB", NOW, "original")
    return LedgerEntry(record_id, result, NOW, name, metadata, "{}")


def lost(record_id: str) -> LedgerEntry:
    result = Missing(Outcome.NOT_FOUND, "HTTP 404", "http://u", 404, 2)
    return LedgerEntry(record_id, result, NOW, record_id, {}, "{}")


def make(root: Path, entries: list[LedgerEntry], *, ended: bool = True) -> Path:
    """An OUT with these records; where it has not ended, in the order that they came in."""
    out = OutputDirectory(root)
    ledger = Ledger(out.root / "ledger.sqlite")
    write_all(out, ledger)
    live = LiveTables(out, ledger)
    for entry in entries:
        ledger.write([entry])
        is_stored = isinstance(entry.result, Stored)
        live.add([entry] if is_stored else [], [] if is_stored else [entry])
    live.close()
    if ended:
        write_all(out, ledger)
    ledger.close()
    out.close()
    return root


ids = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("=+-@'"), max_size=6
)
texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["=1+1", "'=x", 'a,"b"\r\nc', "-5", "\n", "'"]
)
records = st.dictionaries(
    ids.filter(bool), st.tuples(st.integers(0, 3), st.none() | texts), max_size=12
)


@pytest.mark.slow
@settings(deadline=None)  # each example writes files, and machines are busy
@given(records=records, ended=st.lists(st.booleans(), min_size=4, max_size=4))
def test_shards_merged_are_what_one_run_writes(
    records: dict[str, tuple[int, str | None]], ended: list[bool]
) -> None:
    with TemporaryDirectory() as room:
        shards: list[list[LedgerEntry]] = [[], [], [], []]
        whole: list[LedgerEntry] = []
        for n, (record_id, (shard, value)) in enumerate(records.items()):
            own = {} if value is None else {f"field{n % 2}": value}
            name = f"images/{n}.jpg"
            entry = lost(record_id) if value == "'" else stored(record_id, name, **own)
            shards[shard].append(entry)
            whole.append(entry)
        parts = []
        for n, entries in enumerate(shards):
            root = make(Path(room, f"shard={n}"), entries, ended=ended[n])
            parts.append(MergeInput(f"{n}", root))
        target = Path(room)
        merge_tables(parts, target)
        single = make(Path(room, "single"), whole)
        assert read(target / "failures.csv") == read(single / "failures.csv")
        merged = read(target / "metadata.csv")
        by_name = {f"images/{n}.jpg": shard for n, (shard, _) in enumerate(records.values())}
        expected = read(single / "metadata.csv")
        for row in expected:
            row["file_name"] = f"shard={by_name[row['file_name']]}/{row['file_name']}"
        assert merged == expected
        if expected:
            assert list(merged[0]) == list(expected[0])
        assert not list(target.glob(".*"))


def test_columns_of_parts_stand_before_the_datasets_own(tmp_path: Path) -> None:
    one = make(tmp_path / "one", [stored("a", "images/a.jpg", sex="male", dataset="theirs")])
    two = make(tmp_path / "two", [stored("a", "images/a.jpg", age=5), lost("b")])
    parts = [
        MergeInput("one", one, {"dataset": "=one", "licence": "CC0"}),
        MergeInput("two", two, {"dataset": "two"}),
    ]
    merge_tables(parts, tmp_path / "all")
    rows = read(tmp_path / "all" / "metadata.csv")
    own = ["age", "dataset_", "frames", "orientation", "sex", "suspect"]
    assert list(rows[0]) == [*FIXED_COLUMNS, "dataset", "licence", *own]
    kept = ("file_name", "record_id", "dataset", "licence", "dataset_", "age", "sex")
    assert [tuple(row[name] for name in kept) for row in rows] == [
        ("../one/images/a.jpg", "a", "'=one", "CC0", "theirs", "", "male"),
        ("../two/images/a.jpg", "a", "two", "", "", "5", ""),
    ]
    failures = read(tmp_path / "all" / "failures.csv")
    assert list(failures[0]) == [*FAILURE_COLUMNS, "dataset", "licence"]
    assert (failures[0]["record_id"], failures[0]["dataset"]) == ("b", "two")


def test_names_that_look_like_formulas_still_name_their_files(tmp_path: Path) -> None:
    entries = [stored("a", "-a.jpg"), stored("b", "'-b.jpg"), stored("c", "c.jpg")]
    root = make(tmp_path / "all" / "=part", entries)
    for name in ("-a.jpg", "'-b.jpg", "c.jpg"):
        (root / name).write_bytes(b"")
    merge_tables([MergeInput("p", root)], tmp_path / "all")
    names = [row["file_name"] for row in read(tmp_path / "all" / "metadata.csv")]
    assert names == ["'=part/-a.jpg", "'=part/'-b.jpg", "'=part/c.jpg"]
    for name in names:
        assert (tmp_path / "all" / name.removeprefix("'")).is_file()


def test_parts_that_are_not_there_or_were_cut_cost_nothing_else(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", [stored("b", "b.jpg"), lost("c")])
    cut = make(tmp_path / "cut", [stored("a", "a.jpg"), stored("d", "d.jpg")])
    table = (cut / "metadata.csv").read_bytes()
    (cut / "metadata.csv").write_bytes(table[: table.rindex(b"http")])
    (cut / "failures.csv").write_bytes(b"")
    parts = [MergeInput("no", tmp_path / "no"), MergeInput("whole", whole), MergeInput("cut", cut)]
    merge_tables(parts, tmp_path / "all")
    rows = read(tmp_path / "all" / "metadata.csv")
    assert [row["record_id"] for row in rows] == ["a", "b", "d"]
    assert rows[2]["url"] == "http://u"
    assert [row["record_id"] for row in read(tmp_path / "all" / "failures.csv")] == ["c"]


def test_nothing_to_merge_leaves_tables_with_a_header(tmp_path: Path) -> None:
    merge_tables([], tmp_path / "all")
    assert (tmp_path / "all/metadata.csv").read_text() == ",".join(FIXED_COLUMNS) + "\n"
    assert (tmp_path / "all/failures.csv").read_text() == ",".join(FAILURE_COLUMNS) + "\n"
    assert not (tmp_path / "all/classes.csv").exists()


def test_classes_are_merged_and_go_when_no_part_has_any(tmp_path: Path) -> None:
    for name, keys in (("one", "ac"), ("two", "b")):
        rows = [[key, *[""] * (len(CLASSES_COLUMNS) - 1)] for key in keys]
        write(tmp_path / name / "classes.csv", CLASSES_COLUMNS, rows)
    parts = [MergeInput(name, tmp_path / name) for name in ("one", "two")]
    merge_tables(parts, tmp_path)
    assert [row["class"] for row in read(tmp_path / "classes.csv")] == ["a", "b", "c"]
    merge_tables([MergeInput("none", tmp_path / "none")], tmp_path)
    assert not (tmp_path / "classes.csv").exists()


def test_a_table_is_replaced_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path / "one", [stored("a", "a.jpg")])
    merge_tables([MergeInput("one", root)], tmp_path)
    before = (tmp_path / "metadata.csv").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("heapq.merge", full)
    with pytest.raises(OSError, match="No space"):
        merge_tables([MergeInput("one", root)], tmp_path)
    assert (tmp_path / "metadata.csv").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("in_order", [True, False])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, *, in_order: bool) -> None:
    def rows(count: int) -> Iterable[Sequence[str]]:
        for n in range(count) if in_order else reversed(range(count)):
            name = f"{n:09}"
            yield [f"images/{name}.jpg", name, "http://u" * 20, *[""] * (len(FIXED_COLUMNS) - 3)]

    def peak(count: int) -> int:
        for part in "ab":
            write(tmp_path / f"{count}{part}" / "metadata.csv", FIXED_COLUMNS, rows(count))
        parts = [MergeInput(part, tmp_path / f"{count}{part}") for part in "ab"]
        tracemalloc.start()
        merge_tables(parts, tmp_path / f"{count}")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len((tmp_path / f"{count}/metadata.csv").read_bytes().splitlines()) == 2 * count + 1
        return found

    assert peak(20_000) < 2 * peak(1000) + (1 << 20)


def test_long_cells_pass(tmp_path: Path) -> None:
    root = make(tmp_path / "one", [stored("a", "a.jpg", caption="x" * 500_000)])
    merge_tables([MergeInput("one", root)], tmp_path)
    assert len(read(tmp_path / "metadata.csv")[0]["caption"]) == 500_000


def boxed(n: int) -> LedgerEntry:
    boxes = {"bbox": [[n, 0, 9, 9], [1, 1, 4, 4]], "bbox_label_id": ["7", str(n % 3)]}
    names = {"bbox_label": ["lamp", f"kind {n % 3}"], "segmentation": [None, [[1, 1, 5, 1, 5, 5]]]}
    return stored(f"r{n:02}", f"images/{n}.jpg", **boxes, **names, image_id=100 + n, split="val")


def test_boxes_of_parts_are_those_of_the_whole(tmp_path: Path) -> None:
    every = [boxed(n) for n in range(12)]
    whole = json.loads((make(tmp_path / "whole", every) / "annotations.json").read_text())
    parts = [make(tmp_path / f"all/shard={k}", every[k::3]) for k in range(3)]
    for _ in range(2):
        merge_tables([MergeInput(part.name, part) for part in parts], tmp_path / "all")
        merge_annotations(parts, tmp_path / "all")
        found = json.loads((tmp_path / "all/annotations.json").read_text())
        for image in found["images"]:
            shard, _, image["file_name"] = image["file_name"].partition("/")
            assert shard == f"shard={int(image['record_id'][1:]) % 3}"
        assert found == whole
    # None of what is no longer there; and a part's file that is damaged names no category.
    (parts[1] / "annotations.json").write_text('{"categories": [{"id": 1}]}')
    (parts[2] / "annotations.json").write_bytes(b'\n"categories": [1, \xff')
    merge_annotations(parts, tmp_path / "all")
    again = json.loads((tmp_path / "all/annotations.json").read_text())
    assert {each["name"] for each in again["categories"]} == {"lamp", "kind 0", "kind 1", "kind 2"}
    bare = [make(tmp_path / "bare/shard=1", [stored("a", "a.jpg")])]
    (tmp_path / "bare/annotations.json").write_text("of before")
    merge_tables([MergeInput(part.name, part) for part in bare], tmp_path / "bare")
    merge_annotations(bare, tmp_path / "bare")
    assert not (tmp_path / "bare/annotations.json").exists()
