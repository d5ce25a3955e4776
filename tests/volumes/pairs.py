"""Pairs of cubes, image and labels of one tissue, and crawls of them that are killed."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.soak import times
from tests.volumes.test_shared_cubes import EM, SEG, precomputed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Crawler, Ended

SIDE = 6
WHOLE = np.kron(SEG, np.ones((2, 2, 2), np.uint64))  # the labels as the image is: 4 nm


def make_tissue(root: Path) -> Path:
    """Write both layers below a folder, and return it."""
    precomputed(root / "em", [EM], 4, "image")
    precomputed(root / "seg", [SEG], 8, "segmentation")
    return root


def ask(tissue: Path, count: int, **more: Any) -> dict[str, Any]:
    """Return the arguments of a crawl of so many pairs."""
    about = {"url": str(tissue), "layers": "em,seg", "size": SIDE, "voxel": "4nm", "format": "npy"}
    return {**about, "count": count, "seed": 8, **more}


def killed_and_resumed(alone: Crawler, wanted: dict[str, Any]) -> Ended:
    """Kill a crawl of pairs as it goes, once or many times, and return its last run's end."""
    kills, count = times(few=1, many=12), wanted["count"]
    for kill in range(kills):
        crawl = alone.start("zarr", **wanted)
        stored, enough = alone.out().root / "cubes", (kill + 1) * count // (kills + 1)
        limit = time.monotonic() + 120
        while crawl.poll() is None and time.monotonic() < limit:
            if stored.is_dir() and len([*stored.iterdir()]) >= enough:
                break
            time.sleep(0.005)
        crawl.send_signal(signal.SIGKILL if kill % 3 < 2 else signal.SIGTERM)
        crawl.communicate(timeout=60)
    ended = alone("zarr", **wanted)
    assert ended.status == 0, ended.log
    return ended
