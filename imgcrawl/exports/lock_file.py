"""dataset.lock.json: the bytes of a dataset, and the addresses that they came from.

One JSON document, its records a line each, so that it is read and written in constant memory, and
`git diff` shows what changed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.records.errors import ArgumentError
from imgcrawl.storage.directory import DATASET_LOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

FORMAT = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RECORDS = ' "records": [\n'  # the line before the first record, as it is written here
_LONGEST_LINE = 64 << 20  # characters


@dataclass(frozen=True, slots=True)
class LockedRecord:
    """One record of a lock.

    urls:    the same bytes, the original first
    path:    of its file below OUT, with its extension
    kind:    of its item: image or file
    columns: the dataset's own
    mask_of: the record that this one is a mask of
    """

    id: str
    urls: list[str]
    sha256: str
    bytes: int | None
    path: str
    kind: str
    columns: dict[str, Any]
    mask_of: str = ""

    def to_json(self) -> str:
        """Return the line of this record."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        if not self.mask_of:
            del fields["mask_of"]
        return json.dumps(fields, ensure_ascii=False, separators=(", ", ": "))

    @classmethod
    def from_json(cls, kept: Any) -> LockedRecord:
        """Return the record of a parsed line. Raises LookupError, TypeError or ValueError."""
        urls, sha256, columns = kept["urls"], kept["sha256"].lower(), kept.get("columns") or {}
        if not isinstance(kept["id"], str) or not kept["id"] or not isinstance(columns, dict):
            raise TypeError("id and columns")
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise TypeError("urls")
        if not _SHA256.fullmatch(sha256):
            raise ValueError("sha256")
        size, path = kept.get("bytes"), str(kept.get("path") or kept["id"])
        size = size if isinstance(size, int) else None
        kind, mask_of = str(kept.get("kind", "image")), str(kept.get("mask_of", ""))
        return cls(kept["id"], urls, sha256, size, path, kind, columns, mask_of)


def write_lock_file(
    file: IO[str], head: Mapping[str, Any], records: Iterable[LockedRecord]
) -> None:
    """Write a lock. head: what stands on top."""
    top = json.dumps({"imgcrawl_lock": FORMAT, **head}, ensure_ascii=False, indent=1)
    file.write(top.removesuffix("\n}") + f",\n{_RECORDS}")
    for number, record in enumerate(records):
        file.write((",\n" if number else "") + f"  {record.to_json()}")
    file.write("\n ]\n}\n")


def read_head(path: Path) -> dict[str, Any]:
    """Return what stands on top of a lock. Raises ArgumentError for another kind of file."""
    try:
        with path.open(encoding="utf-8") as file:
            lines: list[str] = []
            for line in file:
                if line == _RECORDS:
                    return _require_head(
                        json.loads("".join(lines).rstrip().rstrip(",") + "}"), path
                    )
                lines.append(line)
                if len(lines) > 100_000:
                    break
        return _require_head(json.loads(path.read_text("utf-8")), path)
    except OSError as error:
        raise ArgumentError(
            f"{path} cannot be read: {error.strerror or error}. Type the path of a {DATASET_LOCK}, "
            "which `scrapy lock OUT` writes."
        ) from error
    except ValueError as error:
        raise _no_lock(path, str(error)) from error


def read_records(path: Path) -> Iterator[LockedRecord]:
    """Yield the records of a lock. Raises ArgumentError for one that cannot be read."""
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line == _RECORDS:
                    first = file.readline(_LONGEST_LINE)
                    if first.strip() != "{":
                        yield from _lines(first, file, path)
                        return
        # Somebody has formatted it anew.
        for kept in json.loads(path.read_text("utf-8"))["records"]:
            yield _record(kept, path)
    except (LookupError, TypeError, ValueError) as error:
        raise _no_lock(path, str(error)) from error


def _lines(line: str, file: IO[str], path: Path) -> Iterator[LockedRecord]:
    while line:
        text = line.strip()
        if text == "]":
            return
        if text:
            yield _record(json.loads(text.removesuffix(",")), path)
        line = file.readline(_LONGEST_LINE)
    raise _no_lock(path, "it ends in the middle")


def _record(kept: Any, path: Path) -> LockedRecord:
    try:
        return LockedRecord.from_json(kept)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        name = kept.get("id") if isinstance(kept, dict) else kept
        raise _no_lock(path, f"its record {str(name)[:60]!r} has no good {error}") from error


def _require_head(top: Any, path: Path) -> dict[str, Any]:
    if not isinstance(top, dict) or "imgcrawl_lock" not in top:
        raise _no_lock(path, "it has no imgcrawl_lock on top")
    if top["imgcrawl_lock"] != FORMAT:
        raise _no_lock(path, f"it is of format {top['imgcrawl_lock']}, and this reads {FORMAT}")
    return {name: value for name, value in top.items() if name != "records"}


def _no_lock(path: Path, why: str) -> ArgumentError:
    return ArgumentError(
        f"{path} is no lock of a dataset: {why}. Type the path of a {DATASET_LOCK}, which "
        "`scrapy lock OUT` writes."
    )
