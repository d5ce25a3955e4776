"""The folder of an export: begun again where it was killed, and never mixed with another's."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgcrawl.exports.plan import ExportPlan

_MARK = ".imgcrawl-export.json"


@dataclass(frozen=True, slots=True)
class Destination:
    """A folder that holds this export alone."""

    root: Path

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
        if root.is_dir() and any(root.iterdir()) and _mark_of(root) != mark:
            what = "holds an export of other records or options"
            if _mark_of(root) is None:
                what = "is not empty"
            raise ArgumentError(f"--dest {root} {what}: remove it, or type another folder")
        root.mkdir(parents=True, exist_ok=True)
        (root / _MARK).write_text(json.dumps(mark) + "\n", "utf-8")
    except OSError as error:
        raise ArgumentError(
            f"--dest {root} cannot be written to ({error.strerror or error}): type another folder"
        ) from error
    return Destination(root)


def _mark_of(root: Path) -> dict[str, str] | None:
    try:
        mark = json.loads((root / _MARK).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) else None
