"""Write DM3 and DM4 files: a tree of tags, from nested dicts or from "A.B.0.C" paths."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

CODES = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "?", 9: "b", 10: "B", 11: "q", 12: "Q"}


@dataclass(frozen=True)
class Typed:
    """A simple value with its type code."""

    kind: int
    value: Any


@dataclass(frozen=True)
class Blob:
    """An array: elements of a simple type, as bytes."""

    kind: int
    data: bytes


@dataclass(frozen=True)
class Struct:
    """A struct; with `count`, an array of structs that are all alike."""

    fields: tuple[tuple[int, Any], ...]
    count: int | None = None


@dataclass(frozen=True)
class PlainString:
    """A string of the rare type 18."""

    data: bytes


class _Writer:
    def __init__(self, version: int, little: bool) -> None:
        self.version = version
        self.order = "<" if little else ">"
        self.long = ">I" if version == 3 else ">Q"

    def number(self, value: int) -> bytes:
        return struct.pack(self.long, value)

    def group(self, tags: dict[str, Any]) -> bytes:
        body = b"".join(self.entry(name, value) for name, value in tags.items())
        return b"\x01\x00" + self.number(len(tags)) + body

    def entry(self, name: str, value: Any) -> bytes:
        raw = b"" if name.isdigit() else name.encode("latin-1")
        is_group = isinstance(value, dict)
        body = self.group(value) if is_group else self.data(value)
        size = self.number(len(body)) if self.version == 4 else b""
        return struct.pack(">BH", 20 if is_group else 21, len(raw)) + raw + size + body

    def data(self, value: Any) -> bytes:
        info, body = self.value(value)
        numbers = b"".join(self.number(each) for each in info)
        return b"%%%%" + self.number(len(info)) + numbers + body

    def value(self, value: Any) -> tuple[list[int], bytes]:
        match value:
            case bool():
                return [8], struct.pack("?", value)
            case int():
                return [3 if -(2**31) <= value < 2**31 else 11], self.pack(value)
            case float():
                return [7], struct.pack(self.order + "d", value)
            case str():
                text = value.encode("utf-16-le" if self.order == "<" else "utf-16-be")
                return [20, 4, len(text) // 2], text
            case Typed(kind, inner):
                return [kind], struct.pack(self.order + CODES[kind], inner)
            case Blob(kind, data):
                return [20, kind, len(data) // struct.calcsize("<" + CODES[kind])], data
            case PlainString(data):
                return [18, len(data)], data
            case Struct(fields, count):
                info = [15, 0, len(fields)]
                for kind, _ in fields:
                    info += [0, kind]
                code = self.order + "".join(CODES[kind] for kind, _ in fields)
                body = struct.pack(code, *(inner for _, inner in fields))
                return (info, body) if count is None else ([20, *info, count], body * count)
        raise TypeError(type(value))

    def pack(self, value: int) -> bytes:
        return struct.pack(self.order + ("i" if -(2**31) <= value < 2**31 else "q"), value)


def write_dm(tags: dict[str, Any], version: int = 3, *, little: bool = True) -> bytes:
    """Return a whole file; tags whose names are digits are written without a name."""
    writer = _Writer(version, little)
    body = writer.group(tags) + bytes(8)
    head = struct.pack(">I", version) + writer.number(len(body)) + struct.pack(">I", little)
    return head + body


def nested(flat: dict[str, str]) -> dict[str, Any]:
    """Return a tree made from "root.A.0.B" paths to text, as a dump of a real file has them.

    "Size" beside "Offset" stands for an array that the dump left out. It is filled with zeros, of
    four bytes per element in an image whose DataType is 23.
    """
    root: dict[str, Any] = {}
    for path, text in flat.items():
        *groups, name = _parts(path.removeprefix("root."))
        node = root
        for group in groups:
            node = node.setdefault(group, {})
        node[name] = _typed(name, text)
    _fill(root)
    return root


def _parts(path: str) -> list[str]:
    # "Operator (e.g.)" has a dot too, but none of the excerpts holds such a name.
    return path.split(".")


def _typed(name: str, text: str) -> Any:
    if text in {"True", "False"}:
        return text == "True"
    if name in {"Acquisition Date", "Acquisition Time", "Created", "Saved", "Name"}:
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _fill(node: dict[str, Any]) -> None:
    for name, child in node.items():
        if not isinstance(child, dict):
            continue
        if set(child) == {"Size", "Offset"}:
            kind = 5 if node.get("DataType") == 23 else 10
            node[name] = Blob(kind, bytes(child["Size"]))
        else:
            _fill(child)
