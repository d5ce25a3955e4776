"""neuroglancer: the published state of the hemibrain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from imgcrawl.sources.neuroglancer.link import (
    ViewerLayer,
    ViewerState,
    images,
    pick_layer,
    read_link,
    read_state,
)
from tests.recorded.shapes import differences, recorded
from tests.replicas.client import ask

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess

STATE = recorded("neuroglancer/hemibrain_state.json")["raw_metadata"]
ROOT = "precomputed://gs://neuroglancer-janelia-flyem-hemibrain/"


def test_the_layers_of_a_state() -> None:
    state = read_state(json.dumps(STATE))
    assert [(layer.name, layer.kind, layer.hidden) for layer in state.layers] == [
        ("emdata", "image", False),
        ("segmentation", "segmentation", True),
        ("roi", "segmentation", False),
        ("synapse", "annotation", False),
        ("mito", "segmentation", True),
        ("mask", "segmentation", True),
    ]
    image = ViewerLayer("emdata", "image", (f"{ROOT}emdata/clahe_yz/jpeg",))
    assert images(state) == [image]
    assert pick_layer(state) == image
    # A source that is an object has its address within.
    assert pick_layer(state, "roi").sources == (f"{ROOT}v1.0/rois",)
    assert not any(layer.moved for layer in state.layers)


def test_a_link_holds_the_state() -> None:
    text = json.dumps(STATE, separators=(",", ":"))
    link = f"https://hemibrain-dot-neuroglancer-demo.appspot.com/#!{quote(text)}"
    assert read_link(link) == read_state(json.dumps(STATE))


def test_the_replicas_state_has_the_recorded_shape(replica: ReplicaProcess) -> None:
    status, headers, _ = ask(f"{replica.url}/ng/short")
    assert status == 302
    text = unquote(headers["Location"].partition("#!")[2])
    answer = json.loads(text)
    found = differences(STATE, answer)
    # "Much shortened": the look of the viewer and of its layers is left out, nothing is added.
    assert set(found.values()) == {"absent"}
    assert {path for path in found if not path.startswith("$.layers[].")} == {
        "$.crossSectionDepth",
        "$.crossSectionScale",
        "$.projectionScale",
        "$.selectedLayer",
        "$.selection",
        "$.showSlices",
    }
    assert not {"$.layers[].type", "$.layers[].source", "$.layers[].name"} & set(found)
    assert isinstance(read_state(text), ViewerState)
