"""Which objects of a copy are there: known after a kill, after the end, and after damage."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from imgcrawl.storage.digests import digests_of
from imgcrawl.volumes.copy.listing import ListedObject
from imgcrawl.volumes.copy.manifest import CopyManifest
from imgcrawl.volumes.copy.object_table import CopiedObject

if TYPE_CHECKING:
    from pathlib import Path


def manifest(folder: Path) -> CopyManifest:
    def there(key: str) -> int | None:
        path = folder / "copy" / key
        return path.stat().st_size if path.is_file() else None

    return CopyManifest(
        folder / "m.copy", folder / "m.tsv", there, lambda key: digests_of(folder / "copy" / key)
    )


def test_names_that_cannot_stand_side_by_side(tmp_path: Path) -> None:
    plan = manifest(tmp_path).plan(
        [
            ListedObject(key, "", 1)
            for key in ("a", "a/b", "A", "c/d", "C", "c/d/e", "x.y", "x/y", "X.Y")
        ]
    )
    assert [each.key for each in plan.wanted] == ["a", "c/d", "x.y", "x/y"]
    reasons = {each.key: problem for each, problem in plan.refused}
    assert set(reasons) == {"a/b", "A", "C", "c/d/e", "X.Y"}
    assert reasons["A"] == "it differs from a by case only"


def test_what_is_there_is_known_after_a_kill_and_after_the_end(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    tag = hashlib.md5(b"x", usedforsecurity=False).hexdigest()
    objects = [ListedObject(str(n), "", 1, tag if n == 1 else f"tag-{n}") for n in range(5)]
    first = manifest(tmp_path)
    assert len(first.plan(objects).wanted) == 5
    for n in range(3):
        (copy / str(n)).write_bytes(b"x")
    first.keep(CopiedObject("0", 1, "tag-0", 1, digests_of(copy / "0")[1]))
    first.flush()  # and it is killed: 1 and 2 were stored, and are not noted
    second = manifest(tmp_path)
    # Its MD5 proves what 1 is; of 2 only the size is right.
    assert [each.key for each in second.plan(objects).wanted] == ["2", "3", "4"]
    for n in (2, 3, 4):
        (copy / str(n)).write_bytes(b"x")
        second.keep(CopiedObject(str(n), 1, f"tag-{n}", 1, digests_of(copy / str(n))[1]))
    total = second.finish(tmp_path / "temporary")
    assert (total.objects, total.bytes) == (5, 5)
    assert [path.name for path in tmp_path.iterdir()].count("m.copy") == 0
    third = manifest(tmp_path)
    (copy / "2").unlink()
    changed = [*objects[:4], ListedObject("4", "", 1, "another")]
    assert [each.key for each in third.plan(changed).wanted] == ["2", "4"]


def test_a_damaged_manifest_costs_a_look_at_the_disk(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/a").write_bytes(b"x")
    (tmp_path / "m.copy").write_bytes(b"no database" * 500)
    opened = manifest(tmp_path)
    md5 = digests_of(tmp_path / "copy/a")[0]
    plan = opened.plan([ListedObject("a", "", 1, md5), ListedObject("b", "", 1)])
    assert [each.key for each in plan.wanted] == ["b"]
    opened.close()


def test_md5_finds_what_another_file_of_the_size_is(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/a").write_bytes(b"x")
    md5 = digests_of(tmp_path / "copy/a")[0]
    for etag, wanted in ((md5, 0), ("0" * 32, 1), ("0" * 32 + "-2", 1), (None, 1)):
        for name in tmp_path.glob("m.*"):
            name.unlink()
        opened = manifest(tmp_path)
        assert len(opened.plan([ListedObject("a", "", 1, etag)]).wanted) == wanted
        opened.close()


def test_an_object_that_is_no_longer_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    first = manifest(tmp_path)
    first.plan([ListedObject("a", "", 1), ListedObject("b", "", 1)])
    for key in ("a", "b"):
        (tmp_path / "copy" / key).write_bytes(b"x")
        first.keep(CopiedObject(key, 1, None, 1, digests_of(tmp_path / "copy" / key)[1]))
    assert (first.count(), first.unlisted()) == (2, [])
    first.close()
    first.close()  # which has been done
    second = manifest(tmp_path)
    plan = second.plan([ListedObject("a", "", 1)])
    assert (plan.wanted, plan.present_bytes) == ([], 1)
    assert second.unlisted() == [ListedObject("b", "", 1)]
    known = second.known("b")
    assert known is not None
    assert known.bytes == 1
    second.forget("b")
    assert (second.unlisted(), second.known("b"), second.count()) == ([], None, 1)
    second.close()


def test_a_chunk_that_the_source_lacks_is_remembered(tmp_path: Path) -> None:
    first = manifest(tmp_path)
    first.plan([ListedObject("0.0", "")])
    first.keep(CopiedObject("0.0", None, None, 0, ""))
    first.close()
    second = manifest(tmp_path)
    plan = second.plan([ListedObject("0.0", "")])
    assert (plan.wanted, second.count()) == ([], 0)
    # A list that has it now is believed.
    assert second.plan([ListedObject("0.0", "", 5)]).wanted == [ListedObject("0.0", "", 5)]
    second.close()


def test_a_store_is_trusted_to_have_what_it_was_given(tmp_path: Path) -> None:
    def of_store() -> CopyManifest:
        return CopyManifest(tmp_path / "m.copy", tmp_path / "m.tsv", None, lambda _: ("", ""))

    first = of_store()
    assert len(first.plan([ListedObject("a", "", 1, "e")]).wanted) == 1
    first.keep(CopiedObject("a", 1, "e", 1, "ab" * 32))
    first.close()
    second = of_store()
    assert second.plan([ListedObject("a", "", 1, "e")]).wanted == []
    assert len(second.plan([ListedObject("a", "", 1, "f")]).wanted) == 1
    second.close()
