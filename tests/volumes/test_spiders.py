"""The spiders zarr and neuroglancer: which records they yield, and what they refuse."""

from __future__ import annotations

import json
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import numpy as np
import pytest
import tensorstore as ts

from imgcrawl.arguments import parse_arguments
from imgcrawl.records.errors import ArgumentError
from spiders.neuroglancer import NeuroglancerSpider
from spiders.zarr import ZarrSpider
from tests.volumes import worlds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Ended

NACC = "s3://janelia-cosem-datasets/jrc_mus-nacc-2/jrc_mus-nacc-2.zarr"
HEMIBRAIN = "gs://flyem/emdata/raw/jpeg"
FIBSEM = "recon-2/em/fibsem-int16"


class _Handler(SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        self.asked.append(self.path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of buckets, which lists nothing."""
    root = tmp_path_factory.mktemp("buckets")
    store = NACC.removeprefix("s3://")
    worlds.write(root / store, worlds.nacc())
    worlds.write(root / "flyem/emdata/raw/jpeg", {"info": worlds.hemibrain()})
    worlds.write(root / "flyem/v1.0/seg", {"info": worlds.hemibrain(type="segmentation")})
    huge = {"size": [34427, 39725, 41394], "key": "8_8_8", "resolution": [8, 8, 8]}
    info = worlds.hemibrain(scales=1)
    info["scales"][0] |= huge
    worlds.write(root / "flyem/huge", {"info": info})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def dry(crawl: Crawler, served: str) -> Dry:
    return Dry(crawl, served)


class Dry:
    """Crawls with dry_run=1."""

    def __init__(self, crawl: Crawler, served: str) -> None:
        self._crawl, self._served = crawl, served

    def __call__(self, spider: str, **arguments: Any) -> Ended:
        buckets = f"{self._served}/{{bucket}}/"
        settings = {"S3_URL": buckets, "GCS_URL": buckets}
        return self._crawl(spider, dry_run=1, settings=settings, **arguments)


def paths(ended: Ended) -> list[str]:
    """What would be stored, and where."""
    assert ended.status == 0, ended.log
    found = re.findall(r"^ *(?:[\d,]+|\?)  (\S+)  \S*$", ended.log, re.MULTILINE)
    assert found, ended.log
    return found


@pytest.mark.slow
def test_a_store_is_copied_level_by_level(dry: Dry) -> None:
    store = "jrc_mus-nacc-2.zarr"
    ended = dry("zarr", url=NACC, path=FIBSEM)
    assert paths(ended) == [f"{store}/{FIBSEM}/s{n}" for n in range(3)]
    assert "OME-Zarr 0.4" in ended.log
    chosen = dry("zarr", url=f"{NACC}/{FIBSEM}", level="s2,s1")
    assert paths(chosen) == [f"{store}/{FIBSEM}/s2", f"{store}/{FIBSEM}/s1"]
    alone = dry("zarr", url=f"{NACC}/{FIBSEM}/s1")
    assert paths(alone) == [f"{store}/{FIBSEM}/s1"]


def test_a_level_that_is_not_there_is_answered_with_those_that_are(dry: Dry) -> None:
    ended = dry("zarr", url=NACC, path=FIBSEM, level="s9")
    assert ended.status == 1
    assert "has no such level" in ended.log
    assert "s2  (10 x 15 x 20 voxels of int16" in ended.log


@pytest.mark.slow
def test_boxes_in_voxels_and_in_lengths(dry: Dry) -> None:
    name = "cubes/fibsem-int16"
    voxels = dry("zarr", url=NACC, path=FIBSEM, level="s1", box="0:10,5:15,0:20")
    assert paths(voxels) == [f"{name}_s1_z0-10_y5-15_x0-20.ome.zarr"]
    assert f"{10 * 10 * 20 * 2:,}" in voxels.log
    lengths = dry("zarr", url=NACC, path=FIBSEM, level="all", box="0:30nm,0:64nm,16nm:0.064um")
    assert paths(lengths) == [
        f"{name}_s0_z0-11_y0-16_x4-16.ome.zarr",
        f"{name}_s1_z0-6_y0-8_x2-8.ome.zarr",
        f"{name}_s2_z0-3_y0-4_x1-4.ome.zarr",
    ]
    whole = dry("zarr", url=NACC, path=FIBSEM, level="s2", format="npy")
    assert paths(whole) == [f"{name}_s2_z0-10_y0-15_x0-20.npy"]
    clipped = dry("zarr", url=NACC, path=FIBSEM, box="30:50,0:10,0:10", format="npy")
    assert paths(clipped) == [f"{name}_s0_z30-40_y0-10_x0-10.npy"]
    assert "clipped to 30:40,0:10,0:10" in clipped.log
    outside = dry("zarr", url=NACC, path=FIBSEM, box="40:50,0:10,0:10")
    assert outside.status == 1
    assert "lies outside of s0, which has 0:40,0:60,0:80" in outside.log


@pytest.mark.slow
def test_draws_are_the_same_every_time_and_lie_within(dry: Dry) -> None:
    ask: dict[str, Any] = {"url": HEMIBRAIN, "size": "100,90,80", "count": 4, "seed": 7}
    first = paths(dry("neuroglancer", **ask))
    assert len(set(first)) == 4
    assert paths(dry("neuroglancer", **{**ask, "count": 2})) == first[:2]
    assert paths(dry("neuroglancer", **{**ask, "seed": 8})) != first
    larger = dry("neuroglancer", url=HEMIBRAIN, size="500,9,9", mip=2)
    assert "cubes of 74,9,9" in larger.log
    assert "_z0-74_" in paths(larger)[0]
    for path in first:
        match = re.fullmatch(
            r"cubes/jpeg_8_8_8_z(\d+)-(\d+)_y(\d+)-(\d+)_x(\d+)-(\d+)\.ome\.zarr", path
        )
        assert match, path
        z0, z1, y0, y1, x0, x1 = map(int, match.groups())
        assert (z1 - z0, y1 - y0, x1 - x0) == (100, 90, 80)
        assert z1 <= 296
        assert y1 <= 276
        assert x1 <= 256


@pytest.mark.slow
def test_cubes_with_too_little_tissue_are_drawn_again(dry: Dry, tmp_path: Path) -> None:
    root = tmp_path / "brain"
    array = np.zeros((128, 128, 128, 1), np.uint8)  # x, y, z, channel
    array[64:] = np.random.default_rng(1).integers(50, 200, (64, 128, 128, 1), np.uint8)
    for n, key in enumerate(("8_8_8", "16_16_16")):
        metadata = {"resolution": [8 << n] * 3, "size": [128 >> n] * 3, "encoding": "raw"}
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": f"file://{root}/",
            "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
            "scale_metadata": {**metadata, "key": key, "chunk_size": [32, 32, 32]},
        }
        ts.open(spec, create=True, open=True).result()[...] = array[:: n + 1, :: n + 1, :: n + 1]
    ask: dict[str, Any] = {"url": str(root), "size": "32", "count": 5, "seed": 3}
    everywhere = paths(dry("neuroglancer", **ask))
    found = paths(dry("neuroglancer", min_foreground=0.9, **ask))
    starts = [int(re.findall(r"_x(\d+)-", path)[0]) for path in found]
    assert len(found) == 5
    assert all(start >= 60 for start in starts)
    assert set(found) - set(everywhere)
    impossible = dry("neuroglancer", **{**ask, "size": "128", "count": 1}, min_foreground=0.9)
    assert impossible.status == 1
    assert "had less than min_foreground=0.9 (the best 0.50)" in impossible.log


@pytest.mark.parametrize("link", ["short", "shorter", "remote", "state.json"])
def test_a_link_leads_to_the_image_and_not_to_the_segmentation(
    dry: Dry, replica: ReplicaProcess, link: str
) -> None:
    image, segmentation = f"precomputed://{HEMIBRAIN}", "precomputed://gs://flyem/v1.0/seg"
    query = f"image={quote(image)}&segmentation={quote(segmentation)}"
    url = f"{replica.url}/ng/{link}?{query}"
    ended = dry("neuroglancer", url=url, box="0:64,0:64,0:64", resolution="16nm", format="tiff")
    assert paths(ended) == ["cubes/emdata_16_16_16_z0-64_y0-64_x0-64.ome.tif"]
    assert f"/{HEMIBRAIN.removeprefix('gs://')}/" in ended.log
    if link == "short":
        named = dry("neuroglancer", url=url, box="0:9,0:9,0:9", layer="segmentation", mip=1)
        assert paths(named) == ["cubes/segmentation_16_16_16_z0-9_y0-9_x0-9.ome.zarr"]
        wrong = dry("neuroglancer", url=url, box="0:9,0:9,0:9", layer="em")
        assert wrong.status == 1
        assert "the link has no layer 'em'" in wrong.log
        assert "emdata (image)" in wrong.log


def test_a_layer_without_a_type_is_what_its_source_says(dry: Dry) -> None:
    def link(source: str) -> str:
        layers = [{"name": "x", "source": f"precomputed://gs://{source}"}]
        return f"https://viewer.org/#!{quote(json.dumps({'layers': layers}))}"

    image = link(HEMIBRAIN.removeprefix("gs://"))
    assert len(paths(dry("neuroglancer", url=image, box="0:9,0:9,0:9"))) == 1
    bodies = dry("neuroglancer", url=link("flyem/v1.0/seg"), box="0:9,0:9,0:9")
    assert bodies.status == 1
    assert "the link shows no image: type -a layer='x' if that is" in bodies.log
    meant = dry("neuroglancer", url=link("flyem/v1.0/seg"), box="0:9,0:9,0:9", layer="x")
    assert len(paths(meant)) == 1


@pytest.mark.slow
def test_the_first_image_that_can_be_read_is_taken(dry: Dry) -> None:
    seg, image = "precomputed://gs://flyem/v1.0/seg", f"precomputed://{HEMIBRAIN}"
    boss = {"name": "boss", "type": "image", "source": "boss://https://h/a/b"}
    tiles = {"name": "tiles", "type": "image", "source": [image, "precomputed://gs://flyem/huge"]}
    for layers, taken, words in (
        ([{"name": "seg", "source": seg}, {"name": "em", "source": image}], "em_", ""),
        (
            [boss, {"name": "em", "type": "image", "source": image}],
            "em_",
            "more than em: boss (image). Choose",
        ),
        ([tiles], "tiles_", "has 2 sources, of which the first is taken. For another type -a url"),
    ):
        link = f"https://viewer.org/#!{quote(json.dumps({'layers': layers}))}"
        ended = dry("neuroglancer", url=link, box="0:9,0:9,0:9")
        assert paths(ended)[0].startswith(f"cubes/{taken}")
        assert words in ended.log
    bad = f"https://viewer.org/#!{quote(json.dumps({'layers': [boss]}))}"
    refused = dry("neuroglancer", url=bad, box="0:9,0:9,0:9")
    assert refused.status == 1
    assert "The layer boss: boss://" in refused.log


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("private", "not a public address"),
        ("file", "redirects to file: addresses are not fetched"),
        ("loop", "redirects more than 5 times"),
        ("login", "needs a login"),
        ("nothing", "There is no volume at"),
    ],
)
def test_links_that_lead_astray_are_told(
    dry: Dry, replica: ReplicaProcess, link: str, words: str
) -> None:
    ended = dry("neuroglancer", url=f"{replica.url}/ng/{link}", size="10")
    assert ended.status == 1, ended.log
    assert words in ended.log


def test_a_source_may_not_name_a_folder_of_this_computer(
    dry: Dry, replica: ReplicaProcess, tmp_path: Path
) -> None:
    worlds.write(tmp_path / "mine", {"info": worlds.hemibrain()})
    url = f"{replica.url}/ng/short?image={quote(f'precomputed://file://{tmp_path}/mine')}"
    ended = dry("neuroglancer", url=url, size="10")
    assert ended.status == 1
    assert "a source may not name one" in ended.log
    mine = dry("neuroglancer", url=str(tmp_path / "mine"), box="0:9,0:9,0:9")
    assert paths(mine) == ["cubes/mine_8_8_8_z0-9_y0-9_x0-9.ome.zarr"]


def test_what_nobody_asked_for_is_not_begun(dry: Dry) -> None:
    ended = dry("zarr", url="precomputed://gs://flyem/huge")
    assert ended.status == 1
    assert "are 56,611.0 GB, uncompressed" in ended.log
    assert "-a level=8_8_8" in ended.log
    assert paths(dry("zarr", url="precomputed://gs://flyem/huge", level="all")) == ["huge/8_8_8"]


def test_a_copy_larger_than_the_disk_is_refused_before_its_first_chunk(
    crawl: Crawler, tmp_path: Path
) -> None:
    array = worlds.PLAIN_ARRAY_V2 | {"shape": [50_000] * 3, "chunks": [64] * 3, "dtype": "|u1"}
    worlds.write(tmp_path / "huge.zarr", {".zarray": array})
    ask: dict[str, Any] = {"url": str(tmp_path / "huge.zarr"), "level": "huge.zarr"}
    refused = crawl("zarr", **ask)
    assert refused.status == 1
    assert "has about 125.0 TB, and the disk of" in refused.log
    told = crawl("zarr", dry_run=1, **ask)
    assert "About 125,000.00 GB." in told.log
    assert "has about 125.0 TB, and the disk of" in told.log
    # What its chunks have counts, not what their voxels would.
    for place in ("391/391/391", "195/195/195"):
        chunk = tmp_path / "huge.zarr" / place
        chunk.parent.mkdir(parents=True)
        chunk.write_bytes(b"zz")
    small = crawl("zarr", dry_run=1, **ask)
    assert "About 0.38 GB." in small.log
    assert "the disk of" not in small.log


def small_volume(folder: Path) -> np.ndarray[Any, Any]:
    """Write a picture of one level, and a label of it."""
    voxels = np.random.default_rng(1).integers(0, 4, (40, 60, 80)).astype("<i2")
    for path in ("s0", "labels/cells/s0"):
        spec = {
            "driver": "zarr",
            "kvstore": {"driver": "file", "path": f"{folder / path}/"},
            "metadata": worlds.PLAIN_ARRAY_V2 | {"compressor": None},
        }
        ts.open(spec, create=True).result().write(voxels).result()
    scales = {"multiscales": [worlds.multiscales("zyx", {"s0": ([8, 4, 4], [0, 0, 0])})]}
    worlds.write(
        folder,
        {
            ".zattrs": scales,
            "labels/.zattrs": {"labels": ["cells"]},
            "labels/cells/.zattrs": scales | {"image-label": {}},
        },
    )
    return voxels


def test_a_dry_run_reads_a_chunk_of_each_level_and_tells_the_costs(
    crawl: Crawler, tmp_path: Path
) -> None:
    small_volume(tmp_path / "a.zarr")
    copied = crawl("zarr", url=str(tmp_path / "a.zarr"), dry_run=1)
    assert copied.status == 0, copied.log
    assert copied.log.count("A chunk of s0 was read: 16 x 16 x 16 voxels in ") == 2
    # 60 chunks of 8,192 bytes: those at the edges are as large as others.
    assert copied.log.count("s0: about 460.8 kB come (2.4 bytes a voxel), 60 requests, 0:00:") == 2
    assert "       460,800  a.zarr/labels/cells/s0" in copied.log
    assert "2 files: ? 2." in copied.log

    cubes = crawl("zarr", url=str(tmp_path / "a.zarr"), size="20,16,100nm", count=3, dry_run=1)
    assert cubes.status == 0, cubes.log
    assert "A chunk of s0 was read: 16 x 16 x 16 voxels in " in cubes.log
    assert "12 requests, 0:00:00 hours with 8 connections." in cubes.log
    pairs = crawl(
        "zarr",
        url=str(tmp_path / "a.zarr"),
        layers="s0,labels/cells/s0",
        label_layers="labels/cells/s0",
        size="16",
        dry_run=1,
    )
    assert pairs.status == 0, pairs.log
    assert pairs.log.count("A chunk of s0 was read: 16 x 16 x 16 voxels in ") == 2


def test_a_codec_that_is_not_known_ends_a_dry_run_but_no_copy(
    crawl: Crawler, tmp_path: Path
) -> None:
    info = worlds.hemibrain(scales=1)
    info["scales"][0] |= {"encoding": "fpzip"}
    info["scales"][0].pop("sharding", None)
    worlds.write(tmp_path / "a", {"info": info})
    ask: dict[str, Any] = {"url": str(tmp_path / "a"), "dry_run": 1}
    refused = crawl("zarr", box="0:4,0:4,0:4", **ask)
    assert refused.status == 2, refused.log
    assert 'but received: "fpzip"): copy it as it is' in refused.log
    copied = crawl("zarr", **ask)
    assert copied.status == 0, copied.log
    assert 'but received: "fpzip"' in copied.log


def test_a_dry_run_compares_cubes_with_the_disk_that_was_asked_for(
    crawl: Crawler, tmp_path: Path
) -> None:
    array = worlds.PLAIN_ARRAY_V2 | {"shape": [50_000] * 3, "chunks": [64] * 3, "dtype": "|u1"}
    worlds.write(tmp_path / "huge.zarr", {".zarray": array})
    told = crawl("zarr", url=str(tmp_path / "huge.zarr"), size=9000, count=500, dry_run=1)
    assert "5 chunks of huge.zarr were looked at, and none is there." in told.log
    assert f"has about 364.5 TB, and the disk of {tmp_path / 'out'} has " in told.log


def test_a_group_says_which_pictures_it_holds(dry: Dry, tmp_path: Path) -> None:
    worlds.write(tmp_path / "a.zarr", worlds.nacc())
    ended = dry("zarr", url=str(tmp_path / "a.zarr"))
    assert ended.status == 1
    assert f"-a path={FIBSEM}\n" in ended.log


def test_a_store_that_moves_is_followed_for_good(
    dry: Dry, replica: ReplicaProcess, served: str
) -> None:
    there = f"{served}/{HEMIBRAIN.removeprefix('gs://')}"
    moved = f"{replica.url}/ng/moved/{there.removeprefix('http://')}"
    ended = dry("neuroglancer", url=f"precomputed://{moved}", box="0:9,0:9,0:9")
    assert len(paths(ended)) == 1
    assert f"  {there}/" in ended.log


@pytest.mark.parametrize(
    ("spider", "arguments", "words"),
    [
        ("zarr", {"url": "ftp://host/a.zarr"}, "ftp:// cannot be read; type s3://bucket/a.zarr"),
        ("zarr", {"url": "graphene://https://host/a"}, "type the image's address"),
        ("zarr", {"url": "/nowhere/a.zarr"}, "there is no folder /nowhere/a.zarr"),
        ("zarr", {"url": NACC, "path": "../b"}, "is no path: type folders as in a/b/c"),
        ("zarr", {"url": NACC, "box": "0:1,2:3"}, "box=0:1,2:3: three ranges, z, y and x"),
        ("zarr", {"url": NACC, "box": "9:1,0:1,0:1"}, "ends where it begins, or before"),
        ("zarr", {"url": NACC, "box": "0:1,0:1,0:1", "size": "3"}, "leave size out"),
        ("zarr", {"url": NACC, "count": "3"}, "count is for cubes at random places"),
        ("zarr", {"url": NACC, "box": "0:1,0:1,0:1", "level": "all"}, "type one level"),
        ("zarr", {"url": NACC, "format": "tif"}, "did you mean 'tiff'?"),
        ("zarr", {"url": "https://v.org/#!{}"}, "scrapy crawl neuroglancer -a url="),
        ("neuroglancer", {"url": f"precomputed://{HEMIBRAIN}"}, "Type size=1000,1000,1000"),
        ("neuroglancer", {"url": "https://v.org/#!{", "size": "9"}, "no state of neuroglancer"),
        ("neuroglancer", {"url": HEMIBRAIN, "size": "0"}, "type numbers above 0"),
        ("neuroglancer", {"url": HEMIBRAIN, "size": "9", "seed": "-1"}, "seed=-1"),
        (
            "neuroglancer",
            {"url": HEMIBRAIN, "size": "9", "layer": "em"},
            "layers are those of a link",
        ),
        (
            "neuroglancer",
            {"url": HEMIBRAIN, "size": "9", "mip": "1", "resolution": "8nm"},
            "mip and resolution both choose the level",
        ),
    ],
)
def test_wrong_arguments_are_said_with_what_to_type(
    spider: str, arguments: dict[str, str], words: str
) -> None:
    kind = ZarrSpider if spider == "zarr" else NeuroglancerSpider
    with pytest.raises(ArgumentError) as caught:
        parse_arguments(kind, arguments)
    assert words in str(caught.value)


def test_wrong_arguments_are_said_before_any_request(dry: Dry) -> None:
    before = len(_Handler.asked)
    ended = dry("neuroglancer", url=HEMIBRAIN)
    assert ended.status == 2, ended.log
    assert "Type size=1000,1000,1000" in ended.log
    assert len(_Handler.asked) == before
