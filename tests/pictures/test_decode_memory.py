"""Pictures of many pixels are decoded together only as far as the memory goes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imgcrawl.pictures.check import CheckLevel, PixelLimits, check_image
from imgcrawl.pictures.decode_memory import DecodeMemory, bytes_of_pixel

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(("size", "together"), [(25, 4), (40, 2), (60, 1), (1000, 1)])
def test_as_many_as_fit_are_let_in(size: int, together: int) -> None:
    memory, lock = DecodeMemory(100), threading.Lock()
    inside = most = 0

    def work(_: int) -> None:
        nonlocal inside, most
        with memory.room(size):
            with lock:
                inside += 1
                most = max(most, inside)
            full.wait(0.02)
            with lock:
                inside -= 1

    full = threading.Event()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(12)))
    assert most == together


def test_a_large_one_does_not_wait_for_ever_behind_small_ones() -> None:
    memory, done = DecodeMemory(100), threading.Event()

    def large() -> None:
        with memory.room(100):
            done.set()

    def small() -> None:
        while not done.is_set():
            with memory.room(30):
                done.wait(0.001)

    with ThreadPoolExecutor(4) as pool:
        smalls = [pool.submit(small) for _ in range(3)]
        pool.submit(large)
        assert done.wait(10)
        assert [one.result() for one in smalls] == [None] * 3


def test_an_error_inside_gives_the_room_back() -> None:
    memory = DecodeMemory(100)
    with pytest.raises(ValueError, match="inside"), memory.room(100):
        raise ValueError("inside")
    with memory.room(100):
        pass


class Noted(DecodeMemory):
    def __init__(self) -> None:
        super().__init__(1 << 30)
        self.asked: list[int] = []

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        self.asked.append(size)
        with super().room(size):
            yield


@pytest.mark.parametrize(
    ("mode", "kind", "options", "size"),
    [
        ("RGB", "PNG", {}, 4 * 80 * 60),
        ("L", "PNG", {}, 80 * 60),
        ("I;16", "TIFF", {}, 2 * 80 * 60),
        ("RGB", "JPEG", {}, 80 * 60 // 16),
        ("RGB", "JPEG", {"progressive": True}, 6 * 80 * 60),
    ],
)
def test_a_check_asks_for_what_it_takes(
    mode: str, kind: str, options: dict[str, bool], size: int
) -> None:
    file, memory = BytesIO(), Noted()
    Image.new(mode, (80, 60)).save(file, kind, **options)
    check_image(file.getvalue(), CheckLevel.DECODE, PixelLimits(memory=memory))
    assert memory.asked == [size]
    check_image(file.getvalue(), CheckLevel.HEADER, PixelLimits(memory=memory))
    assert memory.asked == [size]


def test_pixels_of_an_unknown_mode_count_as_the_largest() -> None:
    assert [bytes_of_pixel(mode) for mode in ("1", "P", "RGBA", "CMYK", "F", "new")] == [
        1,
        1,
        4,
        4,
        4,
        4,
    ]
