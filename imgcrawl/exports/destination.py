"""The folder of an export: begun again where it was killed, and never mixed with another's."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.records.errors import ArgumentError
from imgcrawl.storage.base import require_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgcrawl.exports.plan import ExportPlan

_MARK = ".imgcrawl-export.json"
_LACKING = "lacking"


@dataclass(frozen=True, slots=True)
class Destination:
    """A folder that holds this export alone.

    mark: what its mark says: the format, the fingerprint, and the files that lack records
    """

    root: Path
    mark: dict[str, Any]

    def lacks(self, name: str) -> None:
        """Note that a file lacks a record, whose own file was not as it was stored.

        The next export writes it again: by then it may have been mended.
        """
        if name not in self.mark[_LACKING]:
            self.mark[_LACKING].append(name)
            self.write_mark()

    def write_mark(self) -> None:
        """Write the mark. Raises OSError."""
        temporary = self.temporary(self.root / _MARK)
        temporary.write_text(json.dumps(self.mark) + "\n", "utf-8")
        temporary.replace(self.root / _MARK)

    def temporary(self, path: Path) -> Path:
        """Return where a file is written until it is complete: hidden, in its own folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(f".{path.name}.partial")

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[str]]:
        """Open a text file that appears under its name once it is complete."""
        path = self.root / name
        temporary = self.temporary(path)
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
        temporary.replace(path)

    def put(self, name: str, body: bytes, same: Path | None = None) -> Path:
        """Put a file, by a hard link to `same` where the disk can, unless it is there."""
        path = self.root / name
        temporary = self.temporary(path)
        if path.is_file() and path.stat().st_size == len(body):
            return path
        temporary.unlink(missing_ok=True)
        try:
            if same is None:
                raise OSError
            os.link(same, temporary, follow_symlinks=False)
        except OSError:
            temporary.write_bytes(body)
        temporary.replace(path)
        return path


def open_destination(root: Path, out: Path, plan: ExportPlan) -> Destination:
    """Return the folder of an export, made if it is not there, with what a killed one has left.

    Raises ArgumentError for one that holds something else, or lies in the dataset.
    """
    root = root.expanduser().absolute()
    if root == out or out in root.parents:
        raise ArgumentError(
            f"--dest {root} lies in the dataset itself: type a folder outside of it"
        )
    mark = {"imgcrawl_export": plan.request.format, "fingerprint": plan.fingerprint}
    try:
        before = _mark_of(root)
        lacking = before.pop(_LACKING, []) if before else []
        if root.is_dir() and any(root.iterdir()) and before != mark:
            what = (
                "is not empty" if before is None else "holds an export of other records or options"
            )
            raise ArgumentError(f"--dest {root} {what}: remove it, or type another folder")
        root.mkdir(parents=True, exist_ok=True)
        destination = Destination(root, mark | {_LACKING: []})
        for name in lacking:
            require_name(name)
            if (root / name).is_dir():
                shutil.rmtree(root / name)
            else:
                (root / name).unlink(missing_ok=True)
        destination.write_mark()
    except OSError as error:
        raise ArgumentError(
            f"--dest {root} cannot be written to ({error.strerror or error}): type another folder"
        ) from error
    return destination


def _mark_of(root: Path) -> dict[str, Any] | None:
    try:
        mark = json.loads((root / _MARK).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) else None
