"""Shapes that lists have in one JSON object, as rows.

| object | rows |
|---|---|
| {"images": [{...}], "info": {...}} | each object of each array, under the name of the array |
| {"photos": {"page": 1, "photo": [{...}]}} | the same, under ``photos.photo`` |
| {"image_urls": [u, ...], "captions": [c, ...]} | one for each place in the arrays (SBU Captions) |
| {"cat": [u, u], "dog": [u]} | one for each address, with its label |
| {"id1": u, "id2": u} | one for each address, with its id |
| {"id1": {"url": u, ...}} | each object, with its id |
| {"train": {"id1": u}} | one for each address, with its id and its split or label |
| {"train": {"cat": [u, u]}} | one for each address, with its label and its split or group |
| {"query": {"pages": {"7": {...}}}} | each object, with its id, under ``query.pages`` |
| {"url": {"0": u}, "label": {"0": "a"}} | those of pandas, orient="columns" |
| {"columns": [...], "data": [[...]]} | those of pandas, orient="split" |
| anything else | the object itself |
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from imgcrawl.lists.addresses import looks_like_url
from imgcrawl.lists.column_arrays import ColumnArrays
from imgcrawl.lists.names import NAMES, is_known_name, is_url_name, normalized
from imgcrawl.lists.nested import paths_of, value_at
from imgcrawl.lists.rows import MalformedRow, Row, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKED_AT = 100  # members, which tell the shape
MAX_DEPTH = 8  # of tables inside of others
_OF_SPLIT = {"columns", "index", "data", "index_names", "column_names"}
SPLITS = frozenset(["train", "training", "val", "valid", "validation", "dev", "test", "testing"])


class Member(NamedTuple):
    """A member of the object: a value, or one element of an array, numbered from 1."""

    name: str
    number: int  # 0 for a value that is no array
    value: Any


def rows_of_object(members: Iterator[Member | MalformedRow]) -> Iterator[Row | MalformedRow]:
    """Yield the rows of a JSON object whose members come one by one."""
    head = list(islice(members, LOOKED_AT))
    is_whole = len(head) < LOOKED_AT
    found = [member for member in head if isinstance(member, Member)]
    whole = chain(head, members)
    elements = [member for member in found if member.number]
    plain = [member for member in found if not member.number]
    if any(isinstance(member.value, dict) for member in elements):
        yield from _tables(whole)
    elif elements:
        yield from _of_arrays(whole, elements, plain, is_whole=is_whole)
    elif any(isinstance(member.value, dict) for member in plain):
        yield from _of_objects(whole, plain)
    elif plain and not any(is_url_name(member.name) for member in plain) and _are_urls(plain):
        yield from _mapped(whole, lambda member: {"id": member.name, "url": member.value})
    else:
        yield from _one_record(whole)


def element_row(number: int, value: Any, table: str, header: list[str]) -> Row | MalformedRow:
    """Return the row of one element of an array: an object, an address, or an array of cells.

    header: the names of the cells, if there are some; filled from an array of names
    """
    if isinstance(value, dict):
        return Row(number, value, table)
    if looks_like_url(value) and isinstance(value, str):
        return Row(number, {"url": value}, table)
    if isinstance(value, list) and value and all(map(looks_like_url, value)):
        return Row(number, {"urls": value}, table)
    if isinstance(value, list) and (header or any(map(looks_like_url, value))):
        names = header or [f"column_{n}" for n in range(1, len(value) + 1)]
        if len(value) <= len(names):
            return Row(number, dict(zip(names, value, strict=False)), table)
    where = f"{table or 'record'} {number}"
    return MalformedRow(number, where, "no object", excerpt(str(value)))


def names_columns(value: Any) -> bool:
    """Return True if an element of an array is the header of a table of arrays."""
    is_text = isinstance(value, list) and len(value) > 1 and all(isinstance(v, str) for v in value)
    return is_text and any(map(is_known_name, value)) and not any(map(looks_like_url, value))


def _tables(members: Iterator[Member | MalformedRow]) -> Iterator[Row | MalformedRow]:
    for member in members:
        if isinstance(member, MalformedRow):
            yield member
        elif member.number:
            yield element_row(member.number, member.value, member.name, [])
        else:
            inner = list(_inner_tables(member.value, member.name, 0))
            yield from inner or [Row(1, {member.name: member.value})]


def _inner_tables(value: Any, name: str, depth: int) -> Iterator[Row]:
    """Yield the objects of all arrays inside of a value, and those that stand under their ids."""
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return
    if depth and _is_map(value):
        for number, (key, each) in enumerate(value.items(), 1):
            yield Row(number, {"id": key} | each, name)
        return
    for key, each in value.items():
        path = f"{name}.{key}"
        if isinstance(each, list) and any(isinstance(v, dict) for v in each):
            for number, record in enumerate(each, 1):
                if isinstance(record, dict):
                    yield Row(number, record, path)
        else:
            yield from _inner_tables(each, path, depth + 1)


def _of_arrays(
    members: Iterator[Member | MalformedRow],
    elements: list[Member],
    plain: list[Member],
    *,
    is_whole: bool,
) -> Iterator[Row | MalformedRow]:
    """Yield the rows of an object of arrays, whose first elements are no objects."""
    first = elements[0].name
    if _is_split(elements, plain):
        yield from _split(members)
    elif plain and is_whole:
        yield from _one_record(members)
    elif (
        all(looks_like_url(each.value) for each in elements)
        and not any(is_url_name(each.name) for each in elements)
        and isinstance(elements[0].value, str)
    ):
        label = "split" if first.lower() in SPLITS else "label"
        yield from _mapped(members, lambda each: {label: each.name, "url": each.value})
    else:
        with ColumnArrays() as arrays:
            yield from _until_columns(members, arrays)


def _until_columns(
    members: Iterator[Member | MalformedRow], arrays: ColumnArrays
) -> Iterator[Row | MalformedRow]:
    tables: set[str] = set()
    for member in members:
        if isinstance(member, MalformedRow):
            yield member
        elif member.number and isinstance(member.value, dict):
            tables.add(member.name)
            yield Row(member.number, member.value, member.name)
        elif member.number and member.name not in tables:
            arrays.add(member.name, member.value)
        elif member.number:
            yield element_row(member.number, member.value, member.name, [])
        else:
            yield from _inner_tables(member.value, member.name, 0)
    yield from arrays.rows(beside=bool(tables))


def _of_objects(
    members: Iterator[Member | MalformedRow], plain: list[Member]
) -> Iterator[Row | MalformedRow]:
    """Yield the rows of an object of objects."""
    objects = [member for member in plain if isinstance(member.value, dict)]
    if any(is_url_name(each.name) and _holds_urls(each.value) for each in objects):
        yield from _columns_of_pandas(members)
    elif any(True for each in objects for _ in _inner_tables(each.value, each.name, 0)):
        yield from _tables(members)
    elif len(objects) == len(plain) and all(_are_arrays(each.value) for each in objects):
        number = 0
        for member in members:
            if isinstance(member, MalformedRow):
                yield member
                continue
            for path, url in _leaves(member.value, (member.name,)):
                number += 1
                yield Row(number, _named(path) | {"url": url})
    elif len(objects) == len(plain) and all(_holds_urls(each.value) for each in objects):
        kind = "split" if objects[0].name.lower() in SPLITS else "label"
        for member in members:
            if isinstance(member, MalformedRow):
                yield member
            else:
                for n, (key, url) in enumerate(dict(member.value).items(), 1):
                    yield Row(n, {kind: member.name, "id": key, "url": url}, member.name)
    elif len(objects) == len(plain) and any(_has_url(each.value) for each in objects):
        yield from _mapped(members, lambda each: {"id": each.name} | each.value)
    else:
        yield from _one_record(members)


def _mapped(members: Iterator[Member | MalformedRow], fields: Any) -> Iterator[Row | MalformedRow]:
    """Yield a row for each member, numbered through; what cannot be one is said."""
    number = 0
    for member in members:
        number += 1
        if isinstance(member, MalformedRow):
            yield member
            continue
        try:
            yield Row(number, fields(member))
        except TypeError:
            shown = excerpt(str(member.value))
            yield MalformedRow(number, f"record {number} ({member.name})", "no object", shown)


def _one_record(members: Iterator[Member | MalformedRow]) -> Iterator[Row | MalformedRow]:
    record: dict[str, Any] = {}
    for member in members:
        if isinstance(member, MalformedRow):
            yield member
        elif member.number:
            record.setdefault(member.name, []).append(member.value)
        else:
            record[member.name] = member.value
    if record:
        yield Row(1, record)


def _columns_of_pandas(members: Iterator[Member | MalformedRow]) -> Iterator[Row | MalformedRow]:
    columns: dict[str, dict[str, Any]] = {}
    for member in members:
        if isinstance(member, MalformedRow):
            yield member
        elif isinstance(member.value, dict):
            columns[member.name] = member.value
    has_id = any(normalized(name) in NAMES["id"] for name in columns)
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    for number, key in enumerate(keys, 1):
        own = {name: column[key] for name, column in columns.items() if key in column}
        yield Row(number, own if has_id else {"index": key} | own)


def _is_split(elements: list[Member], plain: list[Member]) -> bool:
    """Return whether an object is pandas' orient="split": its parts come in this order."""
    names = {each.name for each in (*elements, *plain)}
    words = [each.value for each in elements if each.name == "columns"]
    starts = elements[0].name in {"index", "columns"} and names <= _OF_SPLIT
    return starts and all(isinstance(word, str) for word in words)


def _split(members: Iterator[Member | MalformedRow]) -> Iterator[Row | MalformedRow]:
    names: list[str] = []
    for member in members:
        if isinstance(member, MalformedRow):
            yield member
        elif member.name == "columns":
            names.append(str(member.value))
        elif member.name == "data":
            yield element_row(member.number, member.value, "", names)
        elif member.name not in _OF_SPLIT:
            shown = excerpt(str(member.value))
            yield MalformedRow(member.number, member.name, "an array beside the data", shown)


def _are_urls(members: list[Member]) -> bool:
    return sum(looks_like_url(member.value) for member in members) * 2 > len(members)


def _has_url(value: dict[str, Any]) -> bool:
    return any(looks_like_url(value_at(value, path)) for path in paths_of(value))


def _holds_urls(value: dict[str, Any]) -> bool:
    urls = sum(isinstance(each, str) and looks_like_url(each) for each in value.values())
    return bool(value) and urls * 2 > len(value) and not any(map(is_known_name, value))


def _is_map(value: dict[str, Any]) -> bool:
    """Return whether an object holds records under their ids: numbers, or all of the same shape."""
    records = [*value.values()]
    if not records or not all(isinstance(each, dict) for each in records):
        return False
    alike = len(records) > 1 and all(each.keys() == records[0].keys() for each in records)
    return (alike or all(key.isdecimal() for key in value)) and any(map(_has_url, records))


def _are_arrays(value: Any, depth: int = 0) -> bool:
    """Return whether all that is in a value are arrays of addresses, each under a word."""
    if isinstance(value, list):
        return depth > 0 and all(isinstance(v, str) and looks_like_url(v) for v in value)
    if not isinstance(value, dict) or not value or depth > MAX_DEPTH:
        return False
    return all(_are_arrays(each, depth + 1) and not is_url_name(k) for k, each in value.items())


def _named(path: tuple[str, ...]) -> dict[str, str]:
    """Return what the words that lead to an address say: its label, its split, its group."""
    *words, label = path
    split = next((word for word in words if word.lower() in SPLITS), "")
    group = "/".join(word for word in words if word != split)
    said = {"split": split, "group": group, "label": label}
    return {name: word for name, word in said.items() if word}


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the addresses in arrays, each with the words that lead to it."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, (*path, name))
    else:
        for each in value if isinstance(value, list) else [value]:
            yield path, each
