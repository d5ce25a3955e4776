"""What the documents of stores say: levels, their axes, sizes and places."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import Multiscale, VolumeAddress
from imgcrawl.volumes.metadata.address import parse_address
from imgcrawl.volumes.metadata.folders import beside, path_to
from imgcrawl.volumes.metadata.multiscale import read_multiscale
from imgcrawl.volumes.metadata.precomputed import scale_at
from tests.volumes import worlds
from tests.volumes.worlds import Store

V3_ARRAY: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [40, 60, 80],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [32, 32, 32]}},
    "codecs": [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 1}}],
    "dimension_names": ["z", "y", "x"],
}
V3_SHARDED = V3_ARRAY | {
    "codecs": [
        {
            "name": "sharding_indexed",
            "configuration": {"chunk_shape": [8, 16, 16], "codecs": V3_ARRAY["codecs"]},
        }
    ]
}
N5_ARRAY: dict[str, Any] = {
    "dimensions": [80, 60, 40],
    "blockSize": [64, 32, 16],
    "dataType": "uint8",
    "compression": {"type": "gzip"},
}
PIXEL = {"unit": "um", "dimensions": [0.004, 0.004, 0.003]}
FACTORS = {"downsamplingFactors": [2, 2, 2]}


def resolve(text: str) -> VolumeAddress:
    urls = {"s3_url": "https://s3/{bucket}/", "gcs_url": "https://gs/{bucket}/"}
    return parse_address(text, **urls, local=False)


def read(documents: dict[str, Any], path: str = "", shown: str | None = None) -> Multiscale:
    store = Store(documents)
    address = VolumeAddress(shown or f"https://host/v/{path}".rstrip("/"), f"{store.base}{path}")
    return asyncio.run(read_multiscale(store.get, address, resolve=resolve))


def test_the_levels_of_ome_zarr() -> None:
    picture = read(worlds.nacc(), "recon-2/em/fibsem-int16/")
    assert picture.kind == "OME-Zarr 0.4"
    assert [level.name for level in picture.levels] == ["s0", "s1", "s2"]
    level = picture.levels[1]
    assert (level.driver, level.axes, level.dtype) == ("zarr", ("z", "y", "x"), "int16")
    assert (level.shape, level.chunk, level.encoding) == ((20, 30, 40), (16, 16, 16), "zstd")
    assert level.voxel_nm == (5.92, 8.0, 8.0)
    assert level.translation_nm == (1.48, 2.0, 2.0)
    assert level.address.url == "https://host/v/recon-2/em/fibsem-int16/s1/"
    assert not picture.is_segmentation


def test_the_hash_is_over_the_documents_as_they_were_sent() -> None:
    documents = worlds.nacc("")
    picture = read(documents)
    whole = b"".join(
        f"{name}\n".encode() + json.dumps(documents[name]).encode()
        for name in (".zattrs", "s1/.zarray")
    )
    assert picture.levels[1].sha256 == hashlib.sha256(whole).hexdigest()
    documents["s1/.zarray"] = documents["s1/.zarray"] | {"fill_value": 1}
    again = read(documents)
    assert again.levels[1].sha256 != picture.levels[1].sha256
    assert again.levels[0].sha256 == picture.levels[0].sha256


def test_a_level_alone_knows_what_its_group_says() -> None:
    picture = read(worlds.nacc(), "recon-2/em/fibsem-int16/s2/")
    (level,) = picture.levels
    assert (level.name, level.voxel_nm) == ("s2", (11.84, 16.0, 16.0))
    assert picture.address.url.endswith("/fibsem-int16/")
    assert level == read(worlds.nacc(), "recon-2/em/fibsem-int16/").levels[2]


def test_consolidated_metadata_stand_for_documents() -> None:
    documents = worlds.nacc("")
    one = {".zmetadata": {"zarr_consolidated_format": 1, "metadata": documents}}
    picture = read(one)
    assert [level.shape for level in picture.levels] == [(40, 60, 80), (20, 30, 40), (10, 15, 20)]


def test_other_axes_scales_of_all_levels_and_bioformats() -> None:
    scales = worlds.multiscales("tczyx", {"0": ([1, 1, 2, 0.5, 0.5], [0, 0, 4, 0, 0])})
    for axis in scales["axes"][2:]:
        axis["unit"] = "micrometer"
    scales["coordinateTransformations"] = [
        {"type": "scale", "scale": [1, 1, 10, 1, 1]},
        {"type": "translation", "translation": [0, 0, 1, 0, 0]},
    ]
    array = worlds.PLAIN_ARRAY_V2 | {"shape": [7, 3, 40, 60, 80], "chunks": [1, 1, 8, 60, 80]}
    documents = {
        ".zattrs": {"bioformats2raw.layout": 3},
        "0/.zattrs": {"multiscales": [scales]},
        "0/0/.zarray": array,
    }
    picture = read(documents)
    (level,) = picture.levels
    assert level.axes == ("t", "c", "z", "y", "x")
    assert (level.times, level.channels, level.shape) == (7, 3, (40, 60, 80))
    assert level.chunk == (8, 60, 80)
    assert level.voxel_nm == (20_000.0, 500.0, 500.0)
    assert level.translation_nm == (41_000.0, 0.0, 0.0)
    assert level.address.url == "https://host/v/0/0/"


@pytest.mark.parametrize(("array", "chunk"), [(V3_ARRAY, (32, 32, 32)), (V3_SHARDED, (8, 16, 16))])
def test_zarr_3_and_the_chunk_within_a_shard(
    array: dict[str, Any], chunk: tuple[int, int, int]
) -> None:
    scales = worlds.multiscales("zyx", {"0": ([8, 8, 8], [0, 0, 0])})
    del scales["version"]
    group = {"attributes": {"ome": {"version": "0.5", "multiscales": [scales]}}}
    picture = read({"zarr.json": group | {"node_type": "group"}, "0/zarr.json": array})
    (level,) = picture.levels
    assert picture.kind == "OME-Zarr 0.5"
    assert (level.driver, level.chunk, level.voxel_nm) == ("zarr3", chunk, (8.0, 8.0, 8.0))
    inside = {"metadata": {"0": array}}
    within = read({"zarr.json": group | {"node_type": "group", "consolidated_metadata": inside}})
    assert within.levels[0].chunk == chunk


def test_early_ome_ngff_had_no_scales() -> None:
    group = {"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]}
    array = worlds.PLAIN_ARRAY_V2 | {"shape": [1, 2, 40, 60, 80], "chunks": [1, 1, 1, 60, 80]}
    (level,) = read({".zattrs": group, "0/.zarray": array}).levels
    assert level.axes == ("t", "c", "z", "y", "x")
    assert level.voxel_nm == (None, None, None)


def test_arrays_of_their_own() -> None:
    plane = worlds.PLAIN_ARRAY_V2 | {"shape": [60, 80], "chunks": [30, 40]}
    (level,) = read({".zarray": plane}).levels
    assert (level.axes, level.shape, level.chunk) == (("y", "x"), (1, 60, 80), (1, 30, 40))
    assert level.name == "v"
    (level,) = read({"zarr.json": V3_ARRAY}).levels
    assert level.axes == ("z", "y", "x")


@pytest.mark.parametrize(
    "told",
    [
        {"transform": {"axes": [*"zyx"], "units": ["nm"] * 3, "scale": [40, 4, 5],
                       "translate": [80, 0, 10]}},
        {"resolution": [40, 4, 5], "units": ["nm"] * 3, "offset": [80, 0, 10]},
        {"voxel_size": [0.04, 0.004, 0.005], "units": ["um"] * 3, "offset": [0.08, 0, 0.01]},
    ],
)  # fmt: skip
def test_an_array_may_tell_the_size_of_its_voxels(told: dict[str, Any]) -> None:
    documents = [
        {".zarray": worlds.PLAIN_ARRAY_V2, ".zattrs": told},
        {"zarr.json": V3_ARRAY | {"attributes": told}},
    ]
    for each in documents:
        (level,) = read(each).levels
        assert level.voxel_nm == (40.0, 4.0, 5.0)
        assert level.translation_nm == (80.0, 0.0, 10.0)
    (level,) = read({"zarr.json": V3_ARRAY | {"attributes": {"resolution": [40, 4, 5]}}}).levels
    assert level.voxel_nm == (None, None, None)  # of what, is not said


def test_n5_counts_from_x() -> None:
    own = N5_ARRAY | {"axes": ["x", "y", "z"], "resolution": [4.0, 4.0, 2.96], "units": ["nm"] * 3}
    (level,) = read({"attributes.json": own}).levels
    assert (level.axes, level.shape) == (("x", "y", "z"), (40, 60, 80))
    assert (level.chunk, level.voxel_nm) == ((16, 32, 64), (2.96, 4.0, 4.0))


def test_n5_of_several_multiscales_is_said(caplog: pytest.LogCaptureFixture) -> None:
    two = {"multiscales": [{"datasets": [{"path": path}]} for path in ("s0", "s1")]}
    found = read({"attributes.json": two, "s0/attributes.json": N5_ARRAY})
    assert [level.name for level in found.levels] == ["s0"]
    assert "it names 2 multiscales, of which the first is read" in caplog.text


def test_n5_of_openorganelle_and_of_its_viewer() -> None:
    def transform(scale: list[float], shift: list[float]) -> dict[str, Any]:
        axes = ["z", "y", "x"]
        told = {"axes": axes, "units": ["nm"] * 3, "scale": scale, "translate": shift}
        return {"transform": told}

    small = N5_ARRAY | {"dimensions": [40, 30, 20]}
    organelle = {
        "attributes.json": {
            "multiscales": [
                {
                    "datasets": [
                        {"path": "s0", **transform([2.96, 4, 4], [0, 0, 0])},
                        {"path": "s1", **transform([5.92, 8, 8], [1.48, 2, 2])},
                    ]
                }
            ]
        },
        "s0/attributes.json": N5_ARRAY,
        "s1/attributes.json": small,
    }
    levels = read(organelle).levels
    assert [level.voxel_nm for level in levels] == [(2.96, 4.0, 4.0), (5.92, 8.0, 8.0)]
    assert levels[1].translation_nm == (1.48, 2.0, 2.0)
    viewer = {
        "attributes.json": {
            "pixelResolution": {"unit": "um", "dimensions": [0.004, 0.004, 0.003]},
            "scales": [[1, 1, 1], [2, 2, 2]],
        },
        "s0/attributes.json": N5_ARRAY,
        "s1/attributes.json": small,
    }
    levels = read(viewer).levels
    assert [level.voxel_nm for level in levels] == [(3.0, 4.0, 4.0), (6.0, 8.0, 8.0)]
    assert levels[1].translation_nm == (1.5, 2.0, 2.0)


@pytest.mark.parametrize(
    ("group", "levels"),
    [
        # The size of s0 is repeated, as N5 Viewer has it; only the factors tell the levels apart.
        ({}, [{"pixelResolution": PIXEL}, {"pixelResolution": PIXEL, **FACTORS}]),
        # The size is the level's own.
        (
            {},
            [
                {"pixelResolution": PIXEL},
                {"pixelResolution": {"unit": "um", "dimensions": [0.008, 0.008, 0.006]}, **FACTORS},
            ],
        ),
        # BigDataViewer and neuroglancer: a list of factors, as many as there are axes.
        (
            {
                "resolution": [4, 4, 3],
                "units": ["nm"] * 3,
                "downsamplingFactors": [[1, 1, 1], [2, 2, 2], [4, 4, 4]],
            },
            [{}, {}],
        ),
        # OpenOrganelle's list of levels, with the sizes told once.
        (
            {
                "multiscales": [{"datasets": [{"path": "s0"}, {"path": "s1"}]}],
                "scales": [[1, 1, 1], [2, 2, 2]],
                "pixelResolution": PIXEL,
            },
            [{}, {}],
        ),
    ],
)
def test_n5_sizes_are_those_of_the_level(
    group: dict[str, Any], levels: list[dict[str, Any]]
) -> None:
    small = N5_ARRAY | {"dimensions": [40, 30, 20]}
    documents = {
        "attributes.json": group,
        "s0/attributes.json": N5_ARRAY | levels[0],
        "s1/attributes.json": small | levels[1],
    }
    found = read(documents).levels
    assert [level.voxel_nm for level in found] == [(3.0, 4.0, 4.0), (6.0, 8.0, 8.0)]
    assert found[1].translation_nm == (1.5, 2.0, 2.0)


def test_precomputed_counts_from_x() -> None:
    info = worlds.hemibrain()
    info["scales"][0] |= {"voxel_offset": [-5, 7, 9], "resolution": [8, 9, 10]}
    picture = read({"info": info})
    level = picture.levels[0]
    assert (level.driver, level.scale, level.name) == ("neuroglancer_precomputed", 0, "8_8_8")
    assert level.axes == ("x", "y", "z", "channel")
    assert (level.shape, level.offset) == ((296, 276, 256), (9, 7, -5))
    assert (level.voxel_nm, level.encoding) == ((10.0, 9.0, 8.0), "jpeg")
    assert level.address.url == "https://host/v/"
    assert read({"info": worlds.hemibrain(type="segmentation")}).is_segmentation


def test_precomputed_may_send_on() -> None:
    store = Store({"info": {"redirect": "precomputed://gs://b-1/there"}})
    there = Store({"info": worlds.hemibrain()}, base="https://gs/b-1/there/")

    async def get(url: str) -> bytes | None:
        return await (there if url.startswith(there.base) else store).get(url)

    picture = asyncio.run(read_multiscale(get, VolumeAddress("here", store.base), resolve=resolve))
    assert picture.levels[0].address.shown == "gs://b-1/there"
    circle = Store({"info": {"redirect": "https://host/v"}})
    with pytest.raises(SourceError, match="sends on to https://host/v"):
        asyncio.run(
            read_multiscale(circle.get, VolumeAddress("here", circle.base), resolve=resolve)
        )


def test_a_store_names_the_pictures_in_it() -> None:
    documents = worlds.nacc()
    consolidated = {".zgroup": {}, ".zmetadata": {"metadata": documents}}
    with pytest.raises(SourceError, match=r"-a path=recon-2/em/fibsem-int16$"):
        read(consolidated)
    arrays = {f"{path}/.zarray": worlds.PLAIN_ARRAY_V2 for path in ("a", "b/c")}
    with pytest.raises(SourceError, match=r"(?s)-a path=a\n.*-a path=b/c$"):
        read({".zgroup": {}, ".zmetadata": {"metadata": arrays}})
    with pytest.raises(SourceError, match=r"There is no volume at https://host/v: none of"):
        read({"index.html": {}})


@pytest.mark.parametrize(
    ("documents", "path", "found"),
    [
        (["", "setup0", "setup0/timepoint0", "setup0/timepoint0/s0", "setup1"], "",
         ["setup0/timepoint0", "setup1/timepoint0"]),
        (["", "setup0/timepoint0", "setup0/timepoint1"], "setup0/", ["timepoint0", "timepoint1"]),
        (["raw", "raw/data", "raw/data/s0"], "raw/", ["data"]),
    ],
)  # fmt: skip
def test_programs_name_pictures_of_n5_that_no_document_and_no_list_names(
    documents: list[str], path: str, found: list[str]
) -> None:
    content = {
        f"{name}/attributes.json".lstrip("/"): N5_ARRAY if name.endswith("s0") else {}
        for name in [*documents, path.rstrip("/")]
    }
    if path == "setup0/":
        content["setup0/attributes.json"] = {"downsamplingFactors": [[1, 1, 1]]}
    if path == "raw/":
        content["raw/attributes.json"] = {"painteraData": {"type": "raw"}}
    shown = "\n".join(f"  -a path={each}" for each in found)
    with pytest.raises(SourceError) as refused:
        read(content, path)
    assert str(refused.value).endswith(f"Type one of these too:\n{shown}")


def test_a_group_whose_folders_are_not_listed_is_not_called_nothing() -> None:
    for documents in (
        {"attributes.json": {"n5": "2.5.0"}},
        {".zgroup": {"zarr_format": 2}, ".zattrs": {"spatialdata_attrs": {"version": "0.1"}}},
        {"zarr.json": {"zarr_format": 3, "node_type": "group"}},
    ):
        words = rf"is a group \({', '.join(documents)} can be read there\) that names no picture"
        with pytest.raises(SourceError, match=words):
            read(documents)


def test_a_layer_of_webknossos_is_a_picture() -> None:
    array = V3_ARRAY | {"shape": [1, 80, 60, 40], "dimension_names": ["c", "x", "y", "z"]}
    array |= {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 32, 16, 8]}}}
    order = {"c": 0, "x": 1, "y": 2, "z": 3}
    mags = [{"mag": 4, "path": "./seg/4", "axisOrder": order}]
    mags += [{"mag": [1, 1, 1], "axisOrder": order}, {"mag": 2, "axisOrder": order}]
    layers = [{"name": "seg", "category": "segmentation", "dataFormat": "zarr3", "mags": mags}]
    layers.append({"name": "old", "dataFormat": "wkw", "mags": [{"mag": 1}]})
    dataset = {"scale": {"factor": [4, 4, 30], "unit": "nanometer"}, "dataLayers": layers}
    documents: dict[str, Any] = {"datasource-properties.json": dataset}
    documents |= {"seg/1/zarr.json": array}
    documents["seg/4/zarr.json"] = array | {"shape": [1, 20, 15, 10]}
    picture = read(documents, "seg/")  # mag 2 is named, and not there
    assert picture.is_segmentation
    told = [(each.name, each.shape, each.voxel_nm) for each in picture.levels]
    assert told == [("1", (40, 60, 80), (30, 4, 4)), ("4", (10, 15, 20), (120, 16, 16))]
    alone = read(documents, "seg/4/").levels[0]
    assert (alone.voxel_nm, alone.sha256) == ((120, 16, 16), picture.levels[1].sha256)
    with pytest.raises(SourceError, match=r"too:\n  -a path=seg$"):
        read(documents)
    with pytest.raises(SourceError, match="There is no volume"):
        read(documents, "old/")


def test_a_bucket_is_listed_to_name_them() -> None:
    def listing(prefix: str, folders: list[str], files: list[str]) -> bytes:
        inner = "".join(f"<Contents><Key>{prefix}{f}</Key></Contents>" for f in files)
        inner += "".join(
            f"<CommonPrefixes><Prefix>{prefix}{f}/</Prefix></CommonPrefixes>" for f in folders
        )
        shown = f"<IsTruncated>false</IsTruncated><Prefix>{prefix}</Prefix>{inner}"
        xmlns = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
        return f"<?xml version='1.0'?><ListBucketResult {xmlns}>{shown}</ListBucketResult>".encode()

    ask = "?list-type=2&delimiter=%2F&max-keys=1000&prefix="
    fibsem = "em/fibsem/"
    documents: dict[str, Any] = {
        f"{ask}": listing("", ["em", "other"], [".zgroup"]),
        f"{ask}em%2F": listing("em/", ["fibsem"], [".zgroup"]),
        f"{ask}em%2Ffibsem%2F": listing(fibsem, ["s0"], [".zattrs", ".zgroup"]),
        f"{ask}other%2F": listing("other/", [], ["readme.txt"]),
        **worlds.nacc(fibsem),
    }
    with pytest.raises(SourceError, match=r"-a path=em/fibsem$"):
        read(documents, shown="s3://bucket")


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        ({".zattrs": {"multiscales": [{"datasets": [{"path": "../s0"}]}]}}, "no path"),
        ({".zattrs": {"multiscales": [{"datasets": [{"path": "a\nb"}]}]}}, "no path"),
        ({".zattrs": {"multiscales": [{"datasets": [{"path": "s0"}]}]}}, "none of them is there"),
        ({".zattrs": {"multiscales": [{"datasets": [{"path": "a"}] * 65}]}}, "names 65 levels"),
        ({".zarray": worlds.PLAIN_ARRAY_V2 | {"shape": [1 << 45] * 3}}, "that cannot be"),
        ({".zarray": worlds.PLAIN_ARRAY_V2 | {"chunks": [4096] * 3}}, "they fit into no memory"),
        ({".zarray": worlds.PLAIN_ARRAY_V2 | {"dtype": [["a", "<i2"]]}}, "a data type that cannot"),
        ({".zarray": worlds.PLAIN_ARRAY_V2 | {"shape": [4], "chunks": [4]}}, "has 1 dimensions"),
        ({".zarray": b'{"shape": [1'}, "cannot be read: .zarray"),
        ({"info": {"@type": "neuroglancer_annotations_v1"}}, "is no volume, but neuroglancer_ann"),
        ({"info": worlds.hemibrain(data_type="string")}, "voxels that cannot be read here"),
        ({"info": worlds.hemibrain(scales=0)}, "has no scales"),
        ({"info": {"redirect": "file:///etc"}}, "a source may not name one"),
    ],
)
def test_what_cannot_be_read_says_why(documents: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        read(documents)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("../other_volume/8_8_8", "other_volume/8_8_8"),  # json_schema/volume.yml of neuroglancer
        ("full res/µm", "v/full%20res/%C2%B5m"),
        ("a/../b", "v/b"),
    ],
)
def test_a_key_may_lead_beside_the_volume(key: str, path: str) -> None:
    info = worlds.hemibrain(scales=1)
    info["scales"][0]["key"] = key
    found = read({"info": info})
    there = beside(found.address, found.levels[0].name)
    assert there.url == f"https://host/{path}/"
    assert scale_at(info, found.address, there) == info["scales"][0]
    assert urljoin(there.url, path_to(found.address, there)) == found.address.url


@pytest.mark.parametrize(
    "key", ["../../8", "a/../../../b", "/etc", "", "..", "a\\b", "a\nb", "./a", "a//b", 8]
)
def test_a_key_may_not_climb_out(key: object) -> None:
    info = worlds.hemibrain(scales=1)
    info["scales"][0]["key"] = key
    with pytest.raises(SourceError, match=r"a key that is none|leads out of"):
        read({"info": info})


def test_pages_in_place_of_documents_are_no_volume() -> None:
    page = b"<!doctype html><title>Not here</title>"
    everything = dict.fromkeys([".zattrs", ".zarray", "zarr.json", "attributes.json"], page)
    assert read({**everything, "info": worlds.hemibrain()}).kind == "precomputed"
    with pytest.raises(SourceError, match="There is no volume"):
        read({**everything, "info": page, ".zmetadata": page, "manifest.ocdbt": page})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    [
        "multiscales",
        "datasets",
        "path",
        "axes",
        "shape",
        "chunks",
        "dtype",
        "scales",
        "size",
        "key",
        "dimensions",
        "blockSize",
        "node_type",
        "attributes",
        "consolidated_metadata",
        "redirect",
        "data_type",
        "chunk_sizes",
        "resolution",
        "transform",
        "coordinateTransformations",
        "num_channels",
        "voxel_offset",
        "encoding",
    ]
)


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(
            ["zarr.json", ".zattrs", ".zarray", ".zmetadata", "attributes.json", "info"]
        ),
        st.dictionaries(_NAMES, _JSON, max_size=6),
        max_size=4,
    ),
    st.sampled_from([worlds.hemibrain(scales=1), worlds.nacc("")]),
    st.data(),
)
def test_whatever_documents_say_gives_a_picture_or_words(
    hostile: dict[str, Any], good: dict[str, Any], data: st.DataObject
) -> None:
    documents = dict(good if ".zattrs" in good else {"info": good})
    for name, told in hostile.items():
        documents[name] = {**documents.get(name, {}), **told}
    if "scales" in good and data.draw(st.booleans()):
        changed = data.draw(st.dictionaries(_NAMES, _JSON, max_size=2))
        documents["info"] = documents["info"] | {"scales": [{**good["scales"][0], **changed}]}
    try:
        picture = read(documents)
    except SourceError:
        return
    for level in picture.levels:
        assert all(side > 0 for side in (*level.shape, *level.chunk))
        assert ".." not in level.address.url
