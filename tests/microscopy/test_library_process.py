"""A library in a process of its own: what it finds, and that a hostile file harms only that."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from imgcrawl.microscopy import hdf5_child, library_process
from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.formats import hdf5_facts
from imgcrawl.microscopy.library_process import ask
from imgcrawl.microscopy.ranges import CachedRanges, bytes_ranges

HEAP = (Path(__file__).parents[1] / "recorded" / "hdf5" / "heap.h5").read_bytes()
_BEGIN = "import struct, sys, time\nout = sys.stdout.buffer\n"
_FOUND = "out.write(b'F' + struct.pack('<I', len(text)) + text)\n"


def asked(folder: Path, program: str, data: bytes = b"abcdefgh") -> object:
    script = folder / "child.py"
    script.write_text(_BEGIN + program)
    return ask(script, bytes_ranges(data), len(data))


def test_groups_in_a_heap_are_read_by_h5py() -> None:
    cached = CachedRanges(bytes_ranges(HEAP))
    facts = describe(cached, name="a.h5", walk=False)
    assert (facts.size_z, facts.size_y, facts.size_x, facts.dtype) == (20, 30, 40, "uint16")
    assert (facts.voxel_z_nm, facts.voxel_x_nm) == (50.0, 10.0)
    assert facts.extra == {"dataset": "/many/volume", "shape": "20 x 30 x 40"}
    assert cached.requests == 1


def test_without_it_the_file_is_proved_and_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hdf5_facts, "is_installed", lambda _: False)
    facts = describe(bytes_ranges(HEAP), name="a.h5")
    assert facts.size_x is None
    assert facts.proof.checked == "whole"
    hint = "groups in a heap: pip install 'imgcrawl[microscopy]'"
    assert facts.extra == {"not_read": hint}


def test_a_damaged_heap_costs_the_description_alone() -> None:
    for at in (900, 5000, 11_000):
        file = bytearray(HEAP)
        file[at : at + 8] = b"\xff" * 8
        describe(bytes_ranges(bytes(file)), name="a.h5")


def test_bytes_are_asked_for_and_come(tmp_path: Path) -> None:
    program = (
        "out.write(b'R' + struct.pack('<QI', 2, 3)); out.flush()\n"
        "n, = struct.unpack('<I', sys.stdin.buffer.read(4))\n"
        "text = b'{\"a\": \"' + sys.stdin.buffer.read(n) + b'\"}'\n" + _FOUND
    )
    assert asked(tmp_path, program) == {"a": "cde"}


@pytest.mark.parametrize(
    "program",
    [
        "sys.exit(1)",
        "out.write(b'nonsense')",
        "text = b'[1]'\n" + _FOUND,
        "text = b'{'\n" + _FOUND,
        "out.write(b'R' + struct.pack('<QI', 0, 1 << 31)); out.flush(); time.sleep(9)",
        "out.write(b'R\\1'); out.flush()",
        "while True: out.write(b'R' + struct.pack('<QI', 0, 1 << 22)); out.flush()",
        "time.sleep(60)",
    ],
)
def test_what_goes_wrong_there_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(library_process, "_SECONDS", 1)
    began = time.monotonic()
    assert asked(tmp_path, program) is None
    assert time.monotonic() - began < 8


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are Unix' own")
def test_memory_has_an_end(tmp_path: Path) -> None:
    folder = str(Path(str(hdf5_child.__file__)).parent)
    program = (
        f"sys.path.append({folder!r})\nimport hdf5_child\nhdf5_child.limit()\n"
        "try:\n    bytearray(3 << 30)\nexcept MemoryError:\n    text = b'{\"refused\": 1}'\n    "
        + _FOUND
    )
    assert asked(tmp_path, program) == {"refused": 1}
