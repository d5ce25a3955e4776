"""A power cut: what a process had written and not brought to the disk is lost, or becomes zeros.

The process runs with a small library before libc (`unsynced.c`) that writes down each write, sync
and rename. After it is killed, `cut` acts out what a journalled file system may show after a
reboot: names and lengths are there, bytes that were not synced are zeros or missing, and a new file
may not be there at all.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

SOURCE = Path(__file__).with_name("unsynced.c")
_BLOCK = 4096


def compiler() -> str | None:
    """Return a C compiler, or None if the machine has none."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def library(folder: Path) -> Path:
    """Build the library that writes down what is written."""
    made = folder / "unsynced.so"
    words = [str(compiler()), "-shared", "-fPIC", "-O2", "-o", str(made), str(SOURCE), "-ldl"]
    subprocess.run(words, check=True)
    return made


def unsynced(log: Path) -> dict[str, list[tuple[int, int]]]:
    """Return the ranges [start, end) that were written and not synced, by path."""
    ranges: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for line in log.read_text("utf-8", "replace").splitlines():
        what, _, rest = line.partition(" ")
        if what == "A":
            ranges.clear()
        elif what == "S":
            ranges.pop(rest, None)
        elif what == "R":
            old, _, new = rest.partition("\t")
            ranges.pop(new, None)
            if old in ranges:
                ranges[new] = ranges.pop(old)
        elif what == "W":
            start, length, path = rest.split(" ", 2)
            ranges[path].append((int(start), int(start) + int(length)))
    return dict(ranges)


def cut(log: Path, root: Path, random: Random) -> int:
    """Take from the files below a folder what had not reached the disk; return how many bytes."""
    lost = 0
    for path, ranges in unsynced(log).items():
        file = Path(path)
        if not file.is_relative_to(root) or not file.is_file():
            continue
        if file.name.endswith("-shm"):
            file.unlink()  # memory that processes share: nothing of it outlives them
            continue
        lost += _lose(file, ranges, random)
    return lost


def _lose(file: Path, ranges: list[tuple[int, int]], random: Random) -> int:
    size = file.stat().st_size
    if random.random() < 0.2 and sum(end - start for start, end in ranges) >= size:
        file.unlink()  # its name had not reached the disk either
        return size
    lost = 0
    with file.open("r+b") as opened:
        for start, end in ranges:
            for block in range(start, min(end, size), _BLOCK):
                if random.random() < 0.6:
                    n = min(_BLOCK, end - block, size - block)
                    opened.seek(block)
                    opened.write(bytes(n))
                    lost += n
    return lost
