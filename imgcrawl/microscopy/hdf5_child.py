"""Find the largest dataset of an HDF5 file by h5py: a script of its own, for `library_process`.

It imports nothing of the project. Bytes are asked for on its standard output, and come on its
standard input; what it found goes the same way as JSON.
"""

from __future__ import annotations

import io
import json
import math
import struct
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MEMORY, _SECONDS = 1 << 30, 10  # of addresses, and of the processor
_PIECE = 1 << 20
_MAX_OBJECTS, _MAX_MEMBERS, _MAX_NAME = 3000, 5000, 1000


class Asked(io.RawIOBase):
    """The file, as the other process gives it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._at = size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position."""
        self._at = (0, self._at, self._size)[whence] + offset
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Fill a buffer, or a part of it."""
        view = memoryview(buffer).cast("B")
        length = max(0, min(len(view), _PIECE, self._size - self._at))
        if not length:
            return 0
        sys.stdout.buffer.write(b"R" + struct.pack("<QI", self._at, length))
        sys.stdout.buffer.flush()
        (there,) = struct.unpack("<I", sys.stdin.buffer.read(4))
        data = sys.stdin.buffer.read(there)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def limit() -> None:
    """Give up memory and time beyond what a description needs; not on Windows."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def largest(file: Any) -> dict[str, Any]:
    """Return path, shape and type of the largest dataset of numbers; links elsewhere are left."""
    import h5py  # noqa: PLC0415

    found: dict[str, Any] = {"shape": [0]}
    pending, seen, count = [("", file)], set(), 0
    while pending and count < _MAX_OBJECTS:
        path, item = pending.pop()
        count += 1
        if isinstance(item, h5py.Dataset):
            is_larger = math.prod(item.shape or (0,)) > math.prod(found["shape"])
            if is_larger and item.dtype.kind in "iufc":
                found = {"dataset": path[:_MAX_NAME], "shape": list(item.shape or ())}
                found |= {"dtype": item.dtype.name, "packed": item.compression is not None}
                steps = item.attrs.get("element_size_um")
                found["element_size_um"] = [float(n) for n in steps] if steps is not None else []
            continue
        names = [name for name, _ in zip(item.keys(), range(_MAX_MEMBERS), strict=False)]
        for name in reversed(names):
            if isinstance(item.get(name, getlink=True), h5py.HardLink):
                below = item[name]
                place = h5py.h5o.get_info(below.id).addr
                if place not in seen and isinstance(below, h5py.Dataset | h5py.Group):
                    seen.add(place)
                    pending.append((f"{path}/{name}", below))
    return found | {"all": not pending}


def main() -> None:
    """Describe the file whose length is the argument."""
    limit()
    import h5py  # noqa: PLC0415

    with h5py.File(io.BufferedReader(Asked(int(sys.argv[1])), 64 << 10), "r") as file:
        text = json.dumps(largest(file)).encode()
    sys.stdout.buffer.write(b"F" + struct.pack("<I", len(text)) + text)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
