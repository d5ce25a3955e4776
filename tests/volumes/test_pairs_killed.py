"""Pairs of cubes through kills and shards: each is there as a whole, as if undisturbed."""

from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.conftest import Crawler
from tests.soak import times
from tests.volumes.pairs import SIDE, WHOLE, ask, killed_and_resumed, make_tissue
from tests.volumes.test_shared_cubes import EM, box, origin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Out


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tissue(tmp_path_factory.mktemp("tissue"))


def places(out: Out) -> dict[str, tuple[float, ...]]:
    """Where each cube of an OUT is; each of its members has been compared with its layer."""
    found: dict[str, tuple[float, ...]] = {}
    members: Counter[str] = Counter()
    for row in out.rows():
        voxels = np.load(out.root / row["file_name"])
        of = EM if row["layer"] == "em" else WHOLE
        assert np.array_equal(voxels, box(of, origin(row), 4, (SIDE,) * 3)), row["file_name"]
        members[row["cube_id"]] += 1
        found[row["cube_id"]] = origin(row)
    assert set(members.values()) <= {2}
    return found


@pytest.mark.slow
@pytest.mark.soak
def test_pairs_that_were_killed_again_and_again_are_whole(tissue: Path, tmp_path: Path) -> None:
    """1,000 pairs, where it is a soak."""
    count = times(few=30, many=1000)
    ended = killed_and_resumed(Crawler(tmp_path, None), ask(tissue, count))
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
