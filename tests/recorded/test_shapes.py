from __future__ import annotations

from tests.recorded.shapes import differences, shape_of


def test_the_shape_has_every_path_once() -> None:
    value = {"a": [{"b": 1}, {"b": None, "c": "x"}], "d": []}
    assert shape_of(value) == {
        "$": {"object"},
        "$.a": {"array"},
        "$.a[]": {"object"},
        "$.a[].b": {"number", "null"},
        "$.a[].c": {"string"},
        "$.d": {"array"},
    }


def test_what_differs_is_named_once() -> None:
    recording = {"a": {"b": {"c": 1}}, "d": "x", "e": [1], "f": 1}
    answer = {"a": {}, "d": 1, "e": [], "g": {"h": 1}, "f": 2.5}
    assert differences(recording, answer) == {
        "$.a.b": "absent",
        "$.d": "number for string",
        "$.g": "added",
    }
    assert differences(recording, recording) == {}
    assert differences({"a": [1]}, {"a": ["x"]}) == {"$.a[]": "string for number"}
    assert differences([{"n": 1}], [{"n": True}]) == {"$[].n": "boolean for number"}
