"""The objects that the documents of a store imply: for servers that list nothing.

An array's document gives the grid of its chunks and how their names are made; only a request
shows which of them exist, since a chunk of nothing but the fill value need not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.volumes.copy.listing import key_problem
from imgcrawl.volumes.copy.scale_grid import chunk_naming, shard_naming
from imgcrawl.volumes.metadata.other_names import NESTED
from imgcrawl.volumes.metadata.packed import SUFFIXES
from imgcrawl.volumes.metadata.webknossos import DATASET, names_in_wkw, paths_of_arrays

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from typing import TypeAlias

    Read: TypeAlias = Callable[[str], Awaitable[bytes | None]]

DOCUMENTS = (
    ".zgroup", ".zattrs", ".zarray", ".zmetadata", "zarr.json", "attributes.json", "info",
)  # fmt: skip
# Of neuroglancer: how many files there are, and how they are called, no document says.
_UNNAMED = frozenset(
    f"neuroglancer_{kind}"
    for kind in ("legacy_mesh", "multilod_draco", "skeletons", "annotations_v1")
)
OME = "OME"  # the folder of a converted file's own description
OME_XML = "METADATA.ome.xml"  # ... and what it is called
MAX_CHUNKS = 50_000_000  # of one array; each is a request
MAX_FOLDERS = 2_000


@dataclass(frozen=True, slots=True)
class ChunkGrid:
    """The chunks of one array: `counts` by axis, and how `key` names one of them.

    forms: the other names that a chunk may have (`OtherNames`)
    """

    counts: tuple[int, ...]
    key: Callable[[tuple[int, ...]], str]
    forms: tuple[str, ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        """What the names of its chunks match, those in other forms too."""
        first = self.key((0,) * len(self.counts))
        if first.endswith(".shard"):
            return re.compile(r"[0-9a-f]+\.shard")
        names = [re.sub(r"-?\d+", r"-?\\d+", re.escape(first).replace(r"\-", "-"))]
        names += [
            names[0].replace(r"\.", "/") if form == NESTED else names[0] + re.escape(form)
            for form in self.forms
        ]
        return re.compile("|".join(names))

    def names(self) -> Iterator[str]:
        """Return the name of every chunk. Raises RecordMissing for more than MAX_CHUNKS."""
        if prod(self.counts) > MAX_CHUNKS:
            words = f"an array of {prod(self.counts):,} chunks, on a server that lists none"
            raise RecordMissing(Outcome.TOO_LARGE, words, tries=0)
        return map(self.key, product(*map(range, self.counts)))


async def grids_below(read: Read, start: str, separator: str = "") -> list[tuple[str, ChunkGrid]]:
    """Return the arrays in a folder and below, as its documents describe them: ("s0/", its grid).

    read:      returns the bytes of a document by its name, or None
    separator: what joins the names of Zarr 2 where the document does not say it
    Raises RecordMissing for documents that cannot be understood, and what `read` raises.
    """
    found: list[tuple[str, ChunkGrid]] = []
    folders, seen = [start], {start}
    while folders:
        folder = folders.pop()
        below: list[str] = []
        for name in (*DOCUMENTS, DATASET) if folder == start else DOCUMENTS:
            body = await read(folder + name)
            node = parse_object(body)
            if node is None:
                continue
            try:
                found += [(folder + path, grid) for path, grid in _grids(name, node, separator)]
                below += _children(name, node)
                if _is_converted(node):
                    below += await _series(read, folder)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                words = f"{folder}{name} cannot be understood: {type(error).__name__} {error}"
                raise RecordMissing(Outcome.CORRUPT, words[:300], 200) from error
        if folder.rpartition("/")[0].rpartition("/")[2] == OME:
            found.append((folder, ChunkGrid((), lambda _: OME_XML)))
        for path in below:
            child = f"{folder}{path}/"
            if key_problem(f"{folder}{path}") is None and child not in seen:
                seen.add(child)
                folders.append(child)
        if len(seen) > MAX_FOLDERS:
            words = f"more than {MAX_FOLDERS:,} folders, on a server that lists none"
            raise RecordMissing(Outcome.TOO_LARGE, words, tries=0)
    return found


def count_present(grids: Iterable[tuple[str, ChunkGrid]], keys: Iterable[str]) -> int:
    """Return how many keys are those of chunks of these arrays."""
    patterns = {folder: grid.pattern for folder, grid in grids}

    def is_chunk(key: str) -> bool:
        folder = key
        while folder:
            folder = folder.rstrip("/").rpartition("/")[0]
            folder = f"{folder}/" if folder else ""
            if (pattern := patterns.get(folder)) and pattern.fullmatch(key, len(folder)):
                return True
        return False

    return sum(map(is_chunk, keys))


def parse_object(body: bytes | None) -> dict[str, Any] | None:
    """Return the JSON object in a body, or None for anything else, such as an error page."""
    try:
        node = json.loads(body or b"")
    except (ValueError, RecursionError):
        return None
    return node if isinstance(node, dict) else None


def _grids(name: str, node: dict[str, Any], separator: str) -> list[tuple[str, ChunkGrid]]:
    match name:
        case ".zarray":
            told = node.get("dimension_separator") or separator
            joint = "/" if told == "/" else "."
            grid = _grid(node["shape"], node["chunks"], lambda at: _joined(at, joint))
            return [("", grid if told else replace(grid, forms=(NESTED,)))]
        case "zarr.json" if node.get("node_type") == "array":
            return [("", _v3(node))]
        case "attributes.json" if "dimensions" in node:
            return [("", _grid(node["dimensions"], node["blockSize"], lambda at: _joined(at, "/")))]
        case "info" if isinstance(node.get("scales"), list):
            return [each for scale in node["scales"] for each in _precomputed(scale)]
        case name if name == DATASET and (unnamed := names_in_wkw(node)):
            words = (
                f"its server lists nothing, and no document names the files of {unnamed[0]} (WKW)"
            )
            raise RecordMissing(Outcome.NOT_FOUND, words, tries=0)
        case "info" if str(node.get("@type")) in _UNNAMED:
            words = f"its server lists nothing, and of {node['@type']} info names no file"
            raise RecordMissing(Outcome.NOT_FOUND, words, tries=0)
    return []


def _v3(node: dict[str, Any]) -> ChunkGrid:
    if node["chunk_grid"]["name"] != "regular":
        raise ValueError("its grid of chunks is not regular")
    encoding = node.get("chunk_key_encoding") or {}
    style = encoding.get("name", "default")
    joint = (encoding.get("configuration") or {}).get("separator")
    if joint not in {"/", "."}:
        joint = "." if style == "v2" else "/"

    def key(at: tuple[int, ...]) -> str:
        if style == "v2":
            return _joined(at, joint)
        return joint.join(["c", *map(str, at)])

    return _grid(node["shape"], node["chunk_grid"]["configuration"]["chunk_shape"], key)


def _grid(shape: list[int], chunk: list[int], key: Callable[[tuple[int, ...]], str]) -> ChunkGrid:
    if len(shape) != len(chunk) or not all(type(side) is int for side in [*shape, *chunk]):
        raise ValueError("its shape and its chunks do not fit")
    if any(side < 0 for side in shape) or any(side < 1 for side in chunk):
        raise ValueError("its shape or its chunks are none")
    return ChunkGrid(tuple(-(-side // step) for side, step in zip(shape, chunk, strict=True)), key)


def _joined(at: tuple[int, ...], joint: str) -> str:
    return joint.join(map(str, at)) or "0"


def scale_grids(scale: dict[str, Any]) -> Iterator[ChunkGrid]:
    """Yield the grids of a neuroglancer scale: files of shards, or chunks named by their bounds."""
    if scale.get("sharding"):
        yield ChunkGrid(*shard_naming(scale))
        return
    for chunk in scale["chunk_sizes"]:
        yield ChunkGrid(*chunk_naming(scale, chunk), SUFFIXES)


def _precomputed(scale: dict[str, Any]) -> Iterator[tuple[str, ChunkGrid]]:
    key = str(scale["key"]).strip("/")
    if key_problem(key) is not None:
        raise ValueError(f"the scale {key[:80]!r} leads elsewhere")
    for grid in scale_grids(scale):
        yield f"{key}/", grid


def _children(name: str, node: dict[str, Any]) -> list[str]:
    """Return the folders below that a document names."""
    found: list[object] = [*paths_of_arrays(node)] if name == DATASET else []
    own = node.get("attributes") if name == "zarr.json" else node
    own = own if isinstance(own, dict) else {}
    if name in {".zattrs", "zarr.json", "attributes.json"}:
        for holder in (own, own.get("ome")):
            found += _linked_folders(holder)
    consolidated = node.get("consolidated_metadata") if name == "zarr.json" else node
    if name in {".zmetadata", "zarr.json"} and isinstance(consolidated, dict):
        paths = consolidated.get("metadata")
        for path in paths if isinstance(paths, dict) else ():
            found.append(re.sub(r"(^|/)\.z\w+$", "", path))
    return [each.strip("/") for each in found if isinstance(each, str) and each.strip("/")]


def _linked_folders(holder: object) -> list[object]:
    """Return levels, labels, tables and what is in them, wells and their pictures."""
    if not isinstance(holder, dict):
        return []
    found: list[object] = []
    for scales in holder.get("multiscales") or ():
        levels = scales.get("datasets") if isinstance(scales, dict) else None
        found += [level.get("path") for level in levels or () if isinstance(level, dict)]
    labels = holder.get("labels")
    if isinstance(labels, list):
        found += labels
    if holder.get("multiscales"):
        found += ["labels", "tables"]
    for name, parts in (("plate", "wells"), ("well", "images")):
        entries = holder.get(name)
        listed = entries.get(parts) if isinstance(entries, dict) else None
        found += [each.get("path") for each in listed or () if isinstance(each, dict)]
    tables = holder.get("tables")
    if isinstance(tables, list):
        found += tables
    if holder.get("encoding-type") == "anndata":
        found += ["X", "obs", "var"]
    if holder.get("encoding-type") == "dataframe":
        found += [holder.get("_index"), *(holder.get("column-order") or ())]
    return found


def _is_converted(node: dict[str, Any]) -> bool:
    """Return whether a document is that of a file that bioformats2raw converted."""
    return "bioformats2raw.layout" in _ome(node)


def _ome(node: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of OME-NGFF in a document, in any version of Zarr."""
    own = node.get("attributes")
    about = own if isinstance(own, dict) else node
    ome = about.get("ome")
    return ome if isinstance(ome, dict) else about


async def _series(read: Read, folder: str) -> list[str]:
    """Return the pictures of a converted file, and the folder of its OME-XML."""
    for name in (".zattrs", "zarr.json"):
        listed = _ome(parse_object(await read(f"{folder}{OME}/{name}")) or {}).get("series")
        if isinstance(listed, list):
            return [OME, *(each for each in listed if isinstance(each, str))]
    count = 0
    while count < MAX_FOLDERS and (
        await read(f"{folder}{count}/.zattrs") or await read(f"{folder}{count}/zarr.json")
    ):
        count += 1
    return [OME, *map(str, range(max(1, count)))]
