"""``--to tfrecord``: read by protobuf's own parser, every checksum by another library."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.exports.export import FORMATS
from imgcrawl.records.errors import ArgumentError
from tests.exports.test_export import export, records, table_of, with_masks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def example_class() -> Any:
    """tf.train.Example, described as tensorflow/core/example/feature.proto describes it."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="e.proto", package="t", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto

    def message(parent: Any, name: str, *fields: tuple[str, int, int, int, str]) -> Any:
        made = parent.add(name=name)
        for label, number, kind, repeated, type_name in fields:
            made.field.add(
                name=label, number=number, type=kind, label=repeated, type_name=type_name or None
            )
        return made

    one, many = kinds.LABEL_OPTIONAL, kinds.LABEL_REPEATED
    for name, kind in (
        ("BytesList", kinds.TYPE_BYTES),
        ("FloatList", kinds.TYPE_FLOAT),
        ("Int64List", kinds.TYPE_INT64),
    ):
        message(file.message_type, name, ("value", 1, kind, many, ""))
    lists = (("bytes_list", "BytesList"), ("float_list", "FloatList"), ("int64_list", "Int64List"))
    message(
        file.message_type,
        "Feature",
        *((n, k, kinds.TYPE_MESSAGE, one, f".t.{t}") for k, (n, t) in enumerate(lists, 1)),
    )
    features = message(
        file.message_type,
        "Features",
        ("feature", 1, kinds.TYPE_MESSAGE, many, ".t.Features.FeatureEntry"),
    )
    entry = message(
        features.nested_type,
        "FeatureEntry",
        ("key", 1, kinds.TYPE_STRING, one, ""),
        ("value", 2, kinds.TYPE_MESSAGE, one, ".t.Feature"),
    )
    entry.options.map_entry = True
    message(file.message_type, "Example", ("features", 1, kinds.TYPE_MESSAGE, one, ".t.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))


def masked(data: bytes) -> int:
    import crc32c

    crc = int(crc32c.crc32c(data))
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read(path: Path) -> Iterator[dict[str, list[Any]]]:
    parse = example_class()
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        assert struct.unpack_from("<I", data, at + 8)[0] == masked(data[at : at + 8])
        body = data[at + 12 : at + 12 + length]
        assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked(body)
        at += 16 + length
        features = parse.FromString(body).features.feature
        yield {
            name: [*getattr(feature, feature.ListFields()[0][0].name).value]
            for name, feature in features.items()
        }


def test_every_record_with_its_types(filled: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("google_crc32c")
    made = records()
    made[0][1].update(dose=-1.5, seen=True)
    made[1][1].update(dose=1e99, seen=False)
    out = filled(made)
    rows = table_of(out)
    found = export(out, "tfrecord", tmp_path / "t", label="dx", shard_bytes=4000)
    files = sorted((tmp_path / "t").glob("*.tfrecord"))
    assert [file.name for file in files] == found.figures.files[:-1]
    assert len(files) > 1
    classes = (tmp_path / "t/classes.txt").read_text().splitlines()
    for one in (each for file in files for each in read(file)):
        row = rows.pop(one["record_id"][0].decode())
        assert hashlib.sha256(one["image"][0]).hexdigest() == row["sha256"]
        assert classes[one["dx"][0]] == row["dx"]
        assert one["age"] == ([int(row["age"])] if row["age"] else [])
        assert one["width"] == [int(row["width"])]
        if row["dose"]:
            assert one["dose"] == [{"-1.5": -1.5, "1e+99": float("inf")}[row["dose"]]]
            assert one["seen"] == [row["seen"] == "True"]
    assert not rows


def test_masks_are_beside_their_picture(filled: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("google_crc32c")
    made = with_masks()
    export(filled(made), "tfrecord", tmp_path / "t")
    one, two = read(tmp_path / "t/all-00000-of-00001.tfrecord")
    assert one["masks"] == [made[1][2]]
    assert "masks" not in two


def test_a_library_that_is_not_there_is_named(
    filled: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = filled(records(3))
    for to, module, package in (
        ("tfrecord", "google_crc32c", "google-crc32c"),
        ("lance", "lance", "pylance"),
    ):
        assert to in FORMATS
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(ArgumentError, match=f"pip install {package}"):
            export(out, to, tmp_path / to)


def test_lance_has_the_rows(filled: Callable[..., Path], tmp_path: Path) -> None:
    lance = pytest.importorskip("lance")
    out = filled(records())
    export(out, "lance", tmp_path / "l", label="dx")
    assert export(out, "lance", tmp_path / "l", label="dx").figures.already == 24
    read = lance.dataset(str(tmp_path / "l/all.lance")).to_table().to_pylist()
    rows = table_of(out)
    for row in read:
        own = rows.pop(row["record_id"])
        assert hashlib.sha256(row["image"]["bytes"]).hexdigest() == own["sha256"]
    assert not rows
