"""A set of ISIC ids, a bit for each that there can be: 1.25 MB, however many are in it."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from imgcrawl.records.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ID = re.compile(r"ISIC_([0-9]{7})")
_BYTES = 10**7 // 8


class IdSet:
    """Ids such as ISIC_0000000. Anything else is never in it."""

    __slots__ = ("_bits", "_size")

    def __init__(self) -> None:
        self._bits = bytearray(_BYTES)
        self._size = 0

    @classmethod
    def from_text(cls, text: str) -> IdSet:
        """Return the set that `to_text` wrote. Raises OutputError for another text."""
        loaded = cls()
        try:
            unpacked = zlib.decompressobj()
            bits = unpacked.decompress(b64decode(text, validate=True), _BYTES)
            if not unpacked.eof:
                raise ValueError("they are cut off, or more than there can be")
        except (ValueError, zlib.error) as error:
            raise OutputError(f"The ledger has ids that cannot be read: {error}") from error
        loaded._bits[: len(bits)] = bits
        loaded._size = int.from_bytes(loaded._bits).bit_count()
        return loaded

    def to_text(self) -> str:
        """Return the set as text: some 30 kB for 27,000 ids that lie far apart."""
        return b64encode(zlib.compress(self._bits.rstrip(b"\0"))).decode("ascii")

    def add(self, isic_id: object) -> bool:
        """Add an id. Return False if it was in the set, True for what is no id."""
        number = number_of(isic_id)
        if number is None:
            return True
        if self._has(number):
            return False
        self._bits[number >> 3] |= 1 << (number & 7)
        self._size += 1
        return True

    def __contains__(self, isic_id: object) -> bool:
        number = number_of(isic_id)
        return number is not None and self._has(number)

    def __len__(self) -> int:
        return self._size

    def without(self, other: IdSet) -> Iterator[str]:
        """Yield the ids that another set has not, in their order."""
        for at, (mine, theirs) in enumerate(zip(self._bits, other._bits, strict=True)):
            if left := mine & ~theirs:
                yield from (f"ISIC_{8 * at + bit:07d}" for bit in range(8) if left >> bit & 1)

    def _has(self, number: int) -> bool:
        return bool(self._bits[number >> 3] >> (number & 7) & 1)


def number_of(isic_id: object) -> int | None:
    """Return the number in an id; None for what is no id."""
    found = _ID.fullmatch(isic_id) if isinstance(isic_id, str) else None
    return int(found[1]) if found else None
