"""Links of neuroglancer in every way in which they are written."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.sources.neuroglancer.link import (
    RemoteState,
    ViewerLayer,
    ViewerState,
    images,
    pick_layer,
    read_link,
    read_state,
)

VIEWER = "https://neuroglancer-demo.appspot.com/"
EM = {"type": "image", "source": "precomputed://gs://b/em", "name": "em"}
SEG = {"type": "segmentation", "source": "precomputed://gs://b/seg", "name": "seg"}


def layers(url: str) -> tuple[ViewerLayer, ...]:
    state = read_link(url)
    assert isinstance(state, ViewerState)
    return state.layers


@pytest.mark.parametrize("prefix", ["", "+"])
def test_a_state_in_the_link(prefix: str) -> None:
    told = json.dumps({"layers": [SEG, EM], "title": "a_b & c, d's"})
    expected = (
        ViewerLayer("seg", "segmentation", ("precomputed://gs://b/seg",)),
        ViewerLayer("em", "image", ("precomputed://gs://b/em",)),
    )
    assert layers(f"{VIEWER}#!{prefix}{quote(told)}") == expected
    assert layers(f"{VIEWER}#!{prefix}{told}") == expected


@pytest.mark.parametrize("times", [2, 3])
def test_a_state_that_was_encoded_more_than_once(times: int) -> None:
    told = json.dumps({"layers": [EM], "title": "50 % of it"})
    for _ in range(times):
        told = quote(told)
    assert [layer.name for layer in layers(f"{VIEWER}#!{told}")] == ["em"]
    remote = quote(quote("gs://bucket/state.json", safe=""), safe="")
    assert read_link(f"{VIEWER}#!{remote}") == RemoteState("gs://bucket/state.json")


@pytest.mark.parametrize("comma", ["_", "&"])
def test_old_links_need_no_encoding(comma: str) -> None:
    source = "'precomputed://gs://a_b&c/it\\'s \"em\"'"
    told = (
        f"{{'layers':{{'em_1':{{'type':'image'{comma}'source':{source}}}}}{comma}'a':[1{comma}2]}}"
    )
    (layer,) = layers(f"{VIEWER}#!{told}")
    assert layer == ViewerLayer("em_1", "image", ('precomputed://gs://a_b&c/it\'s "em"',))


def test_sources_in_every_form() -> None:
    moved = {"url": "n5://s3://b/x", "transform": {"matrix": [[1, 0, 9]]}, "subsources": {}}
    told = [
        {"name": "list", "type": "image", "source": ["a://1", {"url": "a://2"}]},
        {"name": "moved", "type": "image", "source": moved},
        {"name": "none", "type": "image"},
        {"name": "hidden", "type": "image", "source": "a://3", "visible": False},
        {"name": "archived", "type": "image", "source": "a://4", "archived": True},
    ]
    found = {layer.name: layer for layer in read_state(json.dumps({"layers": told})).layers}
    assert found["list"].sources == ("a://1", "a://2")
    assert (found["moved"].sources, bool(found["moved"].moved)) == (("n5://s3://b/x",), True)
    assert found["none"].sources == ()
    assert found["hidden"].hidden
    assert found["archived"].hidden
    assert not found["list"].hidden


def test_states_that_are_kept_elsewhere() -> None:
    assert read_link(f"{VIEWER}#!gs://b/state.json") == RemoteState("gs://b/state.json")
    kept = RemoteState("https://h.org/s.json")
    assert read_link(f"{VIEWER}#!{quote('https://h.org/s.json', safe='')}") == kept
    assert read_link(f"{VIEWER}?json_url=https://h.org/s.json") == kept
    assert read_link("https://tinyurl.com/hemibrain-ng") == RemoteState(
        "https://tinyurl.com/hemibrain-ng"
    )


def test_the_image_is_picked_and_not_the_segmentation() -> None:
    hidden = EM | {"name": "raw", "visible": False}
    state = read_state(json.dumps({"layers": [SEG, hidden, EM]}))
    assert pick_layer(state).name == "em"
    assert [layer.name for layer in images(state)] == ["em"]
    assert pick_layer(state, "seg").kind == "segmentation"
    assert pick_layer(state, "raw").hidden
    only = read_state(json.dumps({"layers": [SEG, hidden]}))
    assert pick_layer(only).name == "raw"


@pytest.mark.parametrize("kind", [None, "auto", "new"])
def test_a_layer_whose_source_tells_its_type_may_be_the_image(kind: str | None) -> None:
    untold = {"name": "x", "source": "precomputed://gs://b/x"} | ({"type": kind} if kind else {})
    assert pick_layer(read_state(json.dumps({"layers": [SEG, untold]}))).name == "x"
    assert pick_layer(read_state(json.dumps({"layers": [untold, EM]}))).name == "em"


@pytest.mark.parametrize(
    ("transform", "moved"),
    [
        ({"outputDimensions": {"x": [8e-9, "m"], "y": [8e-9, "m"]}}, False),
        ({"matrix": [[1, 0, 0], [0, 1, 0]]}, False),
        ({"matrix": [[1, 0, 5], [0, 1, 0]]}, True),
        ({"matrix": [[0, 1, 0], [1, 0, 0]]}, True),
        ({"matrix": "what"}, True),
        (None, False),
    ],
)
def test_a_transform_that_moves_nothing_is_none(transform: object, *, moved: bool) -> None:
    told = [
        {"name": "a", "type": "image", "source": {"url": "a://1", "transform": transform}},
        {"name": "b", "type": "image", "source": "a://1", "transform": transform},
    ]
    found = read_state(json.dumps({"layers": told})).layers
    assert [bool(layer.moved) for layer in found] == [moved, moved]


@pytest.mark.parametrize(
    ("told", "name", "words"),
    [
        ([SEG], None, r"no layer of type image.*\n  seg \(segmentation\)"),
        ([], None, "no layers at all"),
        ([SEG, EM], "e", r"no layer 'e'. It has:\n  seg \(segmentation\)\n  em \(image\)"),
        ([{"name": "x"}], "x", "shows no volume"),
    ],
)
def test_what_cannot_be_picked_lists_what_there_is(
    told: list[object], name: str | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        pick_layer(read_state(json.dumps({"layers": told})), name)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("gs://b/em", "type one that begins with https://"),
        (f"{VIEWER}#!", "no state of neuroglancer"),
        (f"{VIEWER}#!{{'layers'", "no state of neuroglancer"),
        (f"{VIEWER}#!{{}}", "without layers"),
        (f"{VIEWER}#!%ff", "invalid start byte"),
        (f"{VIEWER}#!middleauth+https://h.org/1", "needs a login"),
        (f"{VIEWER}#!file:///etc/passwd", "no state can be read from"),
        (f"{VIEWER}#!" + "[" * 100_000, "no state|too deep"),
    ],
)
def test_what_is_no_link_says_why(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_link(url)


@given(
    st.text(max_size=200), st.sampled_from(["", VIEWER, f"{VIEWER}#!", f"{VIEWER}#!{{'layers':"])
)
def test_any_text_is_a_link_or_an_error(text: str, prefix: str) -> None:
    try:
        found = read_link(prefix + text)
    except ValueError:
        return
    assert isinstance(found, ViewerState | RemoteState)
    assert prefix or text.strip().startswith(("http://", "https://"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "type", "source", "url", "visible", "transform"]), inner
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_any_layers_are_a_state_or_an_error(told: object) -> None:
    try:
        state = read_link(f"{VIEWER}#!{quote(json.dumps({'layers': told}))}")
    except ValueError:
        assert not isinstance(told, list | dict)
        return
    assert isinstance(state, ViewerState)
    for layer in state.layers:
        assert all(isinstance(source, str) for source in layer.sources)
