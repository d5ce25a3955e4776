"""A folder as a storage: what only a disk can do to it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from imgcrawl.storage.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_appears_complete_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path)
    storage.put(b"before", "a/1.jpg")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        storage.put(b"after", "a/1.jpg")
    assert (tmp_path / "a/1.jpg").read_bytes() == b"before"
    assert dict(storage.list()) == {"a/1.jpg": 6}  # and nothing that is not complete


def test_a_file_on_another_disk_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "source"
    file.write_bytes(b"x")
    replace = os.replace

    def two_disks(source: str, target: str) -> None:
        if not str(source).startswith(str(tmp_path / "out")):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, target)

    monkeypatch.setattr(os, "replace", two_disks)
    storage = LocalStorage(tmp_path / "out", tmp_path / "other")
    storage.move(file, "a/x", {"origin": "o"})
    assert not file.exists()
    assert storage.get("a/x", file) == {"origin": "o"}
    assert file.read_bytes() == b"x"
    storage.put(b"y", "y", {"origin": "p"})
    assert storage.get("y", file) == {"origin": "p"}
    assert [*(tmp_path / "other").iterdir()] == []


def test_a_link_is_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    storage = LocalStorage(tmp_path / "out")
    storage.put(b"x", "plain")
    (tmp_path / "out/link").symlink_to(secret)
    (tmp_path / "out/folder").symlink_to(tmp_path)
    assert dict(storage.list()) == {"plain": 1}
    assert storage.size("link") is None
    with pytest.raises(OSError, match="symbolic links"):
        storage.read("link")
    storage.put(b"new", "link")  # takes the place of the link
    assert secret.read_bytes() == b"secret"
