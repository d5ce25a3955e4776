"""Pairs of cubes through kills and shards: each is there as a whole, as if undisturbed."""

from __future__ import annotations

import csv
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.conftest import Crawler
from tests.soak import times
from tests.volumes.test_shared_cubes import EM, SEG, box, origin, precomputed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Out

SIDE = 6


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tissue")
    precomputed(root / "em", [EM], 4, "image")
    precomputed(root / "seg", [SEG], 8, "segmentation")
    return root


def ask(tissue: Path, count: int, **more: Any) -> dict[str, Any]:
    about = {"url": str(tissue), "layers": "em,seg", "size": SIDE, "voxel": "4nm", "format": "npy"}
    return {**about, "count": count, "seed": 8, **more}


def places(out: Out) -> dict[str, tuple[float, ...]]:
    """Where each cube of an OUT is; each of its members has been compared with its layer."""
    whole = np.kron(SEG, np.ones((2, 2, 2), np.uint64))
    found: dict[str, tuple[float, ...]] = {}
    members: Counter[str] = Counter()
    for row in out.rows():
        voxels = np.load(out.root / row["file_name"])
        of = EM if row["layer"] == "em" else whole
        assert np.array_equal(voxels, box(of, origin(row), 4, (SIDE,) * 3)), row["file_name"]
        members[row["cube_id"]] += 1
        found[row["cube_id"]] = origin(row)
    assert set(members.values()) <= {2}
    return found


@pytest.mark.slow
@pytest.mark.soak
def test_pairs_that_were_killed_again_and_again_are_whole(tissue: Path, tmp_path: Path) -> None:
    """1,000 pairs, where it is a soak."""
    alone, count = Crawler(tmp_path, None), times(few=30, many=1000)
    kills = times(few=1, many=12)
    wanted = ask(tissue, count)
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
    assert len(places(ended.out)) == count
    rows = [row["record_id"] for row in ended.out.rows()]
    assert len(rows) == len(set(rows)) == 2 * count
    files = {path.name for path in (ended.out.root / "cubes").glob("*/*")}
    assert files == {"em.npy", "em.npy.crop.json", "seg.npy", "seg.npy.crop.json"}
    assert not [*ended.out.root.glob(".parts/*")]


def test_shards_take_whole_pairs_and_all_of_them(tissue: Path, tmp_path: Path) -> None:
    alone = Crawler(tmp_path, None)
    shards = [alone("zarr", **ask(tissue, 12, shard=f"{k}/2", out=f"shard{k}")) for k in (1, 2)]
    assert all(ended.status == 0 for ended in shards), [ended.log for ended in shards]
    one, two = (places(ended.out) for ended in shards)
    assert one
    assert two
    assert not one.keys() & two.keys()
    assert len(one | two) == 12
    with (shards[0].out.root / "metadata.csv").open(newline="") as file:
        assert {row["role"] for row in csv.DictReader(file)} == {"image", "label"}
