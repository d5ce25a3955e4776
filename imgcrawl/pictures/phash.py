"""The perceptual hash of a picture, by which near duplicates are found."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

_SIDE, _KEPT = 32, 8  # pixels that are looked at, and frequencies of them that are kept


def phash(file: Path, image_format: str) -> str | None:
    """Return 64 bits in hexadecimal, or None if the picture cannot be read.

    The picture's 32 x 32 grey version, its cosine transform (DCT-II), of that the 8 x 8 lowest
    frequencies, each compared with their median: what PyPI's `imagehash.phash` computes
    (http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html).
    """
    import numpy as np  # noqa: PLC0415 - 11 MB, for those who ask

    try:
        with Image.open(file, formats=[image_format]) as opened:
            opened.draft("L", (4 * _SIDE, 4 * _SIDE))
            gray = opened.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None
    waves = _waves()
    low = (waves @ np.asarray(gray, dtype=float) @ waves.T)[:_KEPT, :_KEPT]
    bits = (low > np.median(low)).flatten()
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


@cache
def _waves() -> Any:
    """Return the matrix of the DCT-II, not normalised."""
    import numpy as np  # noqa: PLC0415

    k = np.arange(_SIDE)[:, None]
    return 2 * np.cos(np.pi * k * (2 * np.arange(_SIDE)[None, :] + 1) / (2 * _SIDE))
