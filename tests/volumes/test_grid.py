"""The keys that documents promise, where a server lists nothing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.records.errors import RecordMissing
from imgcrawl.volumes.copy.grid import ChunkGrid, count_present, grids_below
from imgcrawl.volumes.copy.listing import key_problem
from tests.volumes import stores

if TYPE_CHECKING:
    from pathlib import Path


def grids_of(documents: dict[str, Any]) -> list[tuple[str, ChunkGrid]]:
    async def read(name: str) -> bytes | None:
        return json.dumps(documents[name]).encode() if name in documents else None

    return asyncio.run(grids_below(read, ""))


def promised(documents: dict[str, Any]) -> list[str]:
    return sorted(folder + name for folder, grid in grids_of(documents) for name in grid.names())


V2 = {"shape": [3, 4], "chunks": [2, 2]}
V3 = {
    "node_type": "array",
    "shape": [3],
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
}
SCALE = {
    "key": "8_8_8",
    "size": [70, 64, 1],
    "chunk_sizes": [[64, 64, 1]],
    "voxel_offset": [5, 0, 9],
}


@pytest.mark.parametrize(
    ("documents", "keys"),
    [
        ({".zarray": V2}, ["0.0", "0.1", "1.0", "1.1"]),
        ({".zarray": V2 | {"dimension_separator": "/"}}, ["0/0", "0/1", "1/0", "1/1"]),
        ({".zarray": {"shape": [], "chunks": []}}, ["0"]),
        ({"zarr.json": V3}, ["c/0", "c/1"]),
        ({"zarr.json": V3 | {"chunk_key_encoding": {"name": "v2"}}}, ["0", "1"]),
        ({"attributes.json": {"dimensions": [3, 1], "blockSize": [2, 2]}}, ["0/0", "1/0"]),
        ({"info": {"scales": [SCALE]}}, ["8_8_8/5-69_0-64_9-10", "8_8_8/69-75_0-64_9-10"]),
        (
            {"info": {"scales": [SCALE | {"sharding": {"shard_bits": 5}}]}},
            [f"8_8_8/{n:02x}.shard" for n in range(32)],
        ),
        (
            {".zattrs": {"multiscales": [{"datasets": [{"path": "s0"}]}]}, "s0/.zarray": V2},
            ["s0/0.0", "s0/0.1", "s0/1.0", "s0/1.1"],
        ),
        ({".zmetadata": {"metadata": {"a/b/.zarray": V2}}, "a/b/.zarray": V2},
         ["a/b/0.0", "a/b/0.1", "a/b/1.0", "a/b/1.1"]),
        ({".zattrs": {"multiscales": [{"datasets": [{"path": "../../x"}, {"path": 3}, 1]}]}}, []),
        ({".zgroup": {}}, []),
    ],
)  # fmt: skip
def test_keys_that_documents_promise(documents: dict[str, Any], keys: list[str]) -> None:
    assert promised(documents) == keys


@pytest.mark.parametrize(
    "document",
    [
        {".zarray": {"shape": [3], "chunks": [0]}},
        {".zarray": {"shape": [10**12], "chunks": [1]}},
        {".zarray": {"shape": "x"}},
        {"zarr.json": V3 | {"chunk_grid": {"name": "rectilinear"}}},
        {"info": {"scales": [SCALE | {"key": "../x"}]}},
        {"info": {"scales": [SCALE | {"sharding": {"shard_bits": 60}}]}},
    ],
)
def test_documents_that_promise_nonsense(document: dict[str, Any]) -> None:
    with pytest.raises(RecordMissing):
        promised(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**13) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["shape", "chunks", "multiscales", "datasets", "path", "scales", "key", "size",
             "chunk_sizes", "node_type", "chunk_grid", "dimensions", "blockSize", "metadata",
             "labels", "sharding", "shard_bits", "attributes", "ome"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    st.sampled_from([".zarray", ".zattrs", ".zmetadata", "zarr.json", "attributes.json", "info"]),
    JSON,
)
@settings(max_examples=200, deadline=None)
def test_any_document_is_understood_or_refused(name: str, node: Any) -> None:
    async def read(asked: str) -> bytes | None:
        return json.dumps(node).encode() if asked == name else None

    try:
        grids = asyncio.run(grids_below(read, ""))
    except RecordMissing:
        return
    for folder, grid in grids:
        try:
            names = grid.names()
        except RecordMissing:
            continue
        first = next(names, None)
        assert first is None or key_problem(folder + first) is None


@pytest.mark.parametrize(
    ("size", "bits"),
    [((200, 90, 33), (1, 1, 2)), ((64, 64, 64), (0, 2, 3)), ((300, 20, 20), (2, 0, 4))],
)
def test_shards_are_those_that_a_writer_makes(
    tmp_path: Path, size: tuple[int, int, int], bits: tuple[int, int, int]
) -> None:
    """Of a volume without a hash exactly these; of one with a hash the names of all."""
    preshift, minishard, shard = bits
    for number, hash_ in enumerate(("identity", "murmurhash3_x86_128")):
        root = tmp_path / str(number)
        spec = stores.precomputed((*size, 1), "raw", sharded=True)
        spec["scale_metadata"]["sharding"] |= {
            "preshift_bits": preshift,
            "minishard_bits": minishard,
            "shard_bits": shard,
            "hash": hash_,
        }
        stores.write(root, spec, np.ones((*size, 1), np.uint8))
        info = json.loads((root / "info").read_text())
        stored = {path.relative_to(root).as_posix() for path in root.glob("*/*.shard")}
        names = set(promised({"info": info}))
        assert stored <= names
        assert hash_ != "identity" or stored == names
        assert count_present(grids_of({"info": info}), stored) == len(stored)


def test_chunks_are_counted_by_their_names() -> None:
    """A chunk whose name is not what its document says is not read by anybody."""
    documents = {
        ".zattrs": {"multiscales": [{"datasets": [{"path": "s0"}, {"path": "s1"}]}]},
        "s0/.zarray": V2 | {"dimension_separator": "."},
        "s1/.zarray": V2,  # which may be either
        "info": {"scales": [SCALE]},
    }
    keys = ["s0/0.0", "s0/1/1", "s0/0.0.0", "s0/.zarray", "0.0", "s1/1.1", "s1/0/1", "s2/0.0"]
    keys += ["8_8_8/5-69_0-64_9-10.gz", "8_8_8/69-75_0-64_9-10", "8_8_8/notes.txt"]
    assert count_present(grids_of(documents), keys) == 5
