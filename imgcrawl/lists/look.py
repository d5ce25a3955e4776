"""Look at the first rows of a list: which of its tables and columns is what."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcrawl.lists.addresses import without_extension
from imgcrawl.lists.columns import Columns, guess_columns
from imgcrawl.lists.json_shapes import SPLITS
from imgcrawl.lists.nested import paths_of
from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.row_bytes import columns_of_bytes
from imgcrawl.lists.rows import MalformedRow, Row, excerpt
from imgcrawl.lists.template import FILE_NAMES, Template, is_template
from imgcrawl.lists.url_columns import rank_url_columns
from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOOKED_AT = 100  # rows of each table, of which one must have a URL
MAX_PASSED = 2_000_000  # rows of tables without addresses before the one that has them

_OF_PICTURES = frozenset(
    {"images", "image", "photos", "photo", "pictures", "data", "rows", "media", "items"}
)
_NEVER = frozenset({"licenses", "licences", "license", "info"})
_HOST_AND_PATH = re.compile(r"\s*([a-z0-9-]+\.)+[a-z]{2,12}(:\d+)?/\S", re.IGNORECASE)
_SELDOM = frozenset({"annotations", "categories"})  # RedCaps' records are annotations


@dataclass(slots=True)
class Sample:
    """The first rows of a list, those of each table apart.

    whole: whether the list has no other rows
    """

    tables: dict[str, list[Row]] = field(default_factory=dict)
    malformed: list[MalformedRow] = field(default_factory=list)
    rows: int = 0
    whole: bool = True

    @classmethod
    def of(cls, rows: Iterable[Row | MalformedRow], limit: int = MAX_PASSED) -> Sample:
        """Return the first rows of each table; a table of pictures is looked for in all of them."""
        sample = cls()
        for row in rows:
            sample.rows += 1
            if isinstance(row, MalformedRow):
                sample.malformed += [row] * (len(sample.malformed) < LOOKED_AT)
                is_enough = not sample.tables and sample.rows >= LOOKED_AT
            else:
                table = sample.tables.setdefault(row.table, [])
                table += [row] * (len(table) < LOOKED_AT)
                is_enough = len(table) == LOOKED_AT and may_be_pictures(row.table)
            if is_enough or sample.rows >= limit:
                sample.whole = False
                break
        return sample


def may_be_pictures(table: str) -> bool:
    """Return True if a table may be that of the pictures, by its name; a plain list has none."""
    last = table.rpartition(".")[2].lower()
    return not last or last in _OF_PICTURES or last in SPLITS


_looked: dict[tuple[object, ...], Sample] = {}
_FAR = 10_000  # rows: to have gone so far is worth being remembered


def look(name: str, member: str = "", encoding: str = "") -> Sample:
    """Return the first rows of each table of a list; see `open_rows` for what is given, and raised.

    Where the pictures stand behind a million annotations, a list that did not change meanwhile is
    gone through once: for what was typed, and for the crawl.
    """
    key = (name, member, encoding, *_state_of(name))
    if (known := _looked.get(key)) is not None:
        return known
    with open_rows(name, member, encoding) as rows:
        sample = Sample.of(rows)
    if sample.rows > _FAR:
        _looked.clear()
        _looked[key] = sample
    return sample


def _state_of(name: str) -> tuple[int, ...]:
    try:
        state = Path(name).expanduser().stat()
    except OSError:  # to open it will say what is wrong
        return ()
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)


@contextmanager
def open_looked_at(
    name: str, member: str = "", encoding: str = ""
) -> Iterator[tuple[Sample, Iterator[Row | MalformedRow]]]:
    """Open a list as its first rows and all of its rows.

    name:     a path, or ``-``, of which no more than the first rows can be looked at beforehand
    encoding: as `open_rows` has it
    Raises ArgumentError if it is no list.
    """
    if name == "-":
        with open_rows(name, member, encoding) as rows:
            first = list(islice(rows, LOOKED_AT))
            yield Sample.of(first), chain(first, rows)
        return
    sample = look(name, member, encoding)
    with open_rows(name, member, encoding) as rows:
        yield sample, rows


@dataclass(frozen=True, slots=True)
class Found:
    """What a list is.

    tables:   whose rows are pictures
    others:   whose rows are none; those that are in neither were not seen yet
    template: makes the addresses of columns, if no column has them
    of_table: the column that the name of a row's table goes to, "" where that says nothing
    bodies:   the columns that hold the bytes of files, that of the pictures first
    """

    columns: Columns
    tables: frozenset[str]
    template: Template | None = None
    others: frozenset[str] = frozenset()
    of_table: str = ""
    bodies: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.columns)


def find_columns(sample: Sample, given: dict[str, str], name: str, base: str = "") -> Found:
    """Return the columns of a list by role, and its tables of pictures.

    given: the columns that the user names, by role (url, id, label, caption, md5, sha256); the url
           may be a template
    base:  the address that the names of files in the list are below
    Raises ArgumentError, with the first offending line, if there is no URL.
    """
    best: list[tuple[float, str, Found]] = []
    missing: str | None = None
    for table in _candidates(sample):
        fields = [row.fields for row in sample.tables[table]]
        try:
            found, score = _of_table(fields, given, base)
        except KeyError as error:
            missing = str(error.args[0])
            continue
        if found is not None:
            best.append((score + _table_score(table), table, found))
    if best:
        score, table, found = max(best, key=lambda each: each[0])
        alike = {t for s, t, f in best if f.columns.url == found.columns.url and s > score - 1}
        tables = frozenset({table, *alike})
        others = frozenset(sample.tables) - tables
        return replace(found, tables=tables, others=others, of_table=_role_of(tables, found))
    raise _refusal(sample, missing, name)


def _candidates(sample: Sample) -> list[str]:
    """Return the tables that may be those of the pictures.

    Licences and the like never are. Beside a table that is named for pictures, plain values are
    none; and if it has names of files only, neither is any other table (sources, contributors).
    """
    names = [name for name in sample.tables if _last(name) not in _NEVER]
    named = [name for name in names if name and _last(name) in _OF_PICTURES]
    if not named:
        return names
    rows = [row.fields for name in named for row in sample.tables[name]]
    return named if _has_file_names(rows) else [name for name in names if name]


def _without_scheme(rows: list[Row]) -> str:
    """Return the first column with addresses such as host.example/1.jpg; "" for none."""
    names = dict.fromkeys(name for row in rows for name in row.fields)
    for name in names:
        values = [value for row in rows if isinstance(value := row.fields.get(name), str) and value]
        if values and all(map(_HOST_AND_PATH.match, values)):
            return name
    return ""


def _has_file_names(rows: list[dict[str, Any]]) -> bool:
    """Return whether rows have the names of pictures' files, and no addresses."""
    paths = list(dict.fromkeys(path for row in rows for path in paths_of(row)))
    if rank_url_columns(paths, rows):
        return False
    values = [row[name] for row in rows for name in FILE_NAMES if isinstance(row.get(name), str)]
    return any(without_extension(value) != value for value in values)


def _role_of(tables: frozenset[str], found: Found) -> str:
    """Return the column for the names of several tables of pictures: those of splits, or labels."""
    if len(tables) < 2:
        return ""
    if {_last(name) for name in tables} <= SPLITS:
        return "split"
    return "label" if found.columns.label is None else "table"


def _last(table: str) -> str:
    return table.rpartition(".")[2].lower()


def _of_table(
    rows: list[dict[str, Any]], given: dict[str, str], base: str
) -> tuple[Found | None, float]:
    """Return what a table is, and how likely it is that of the pictures. Raises KeyError."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    paths = [*names, *(path for row in rows for path in paths_of(row))]
    template = Template(given["url"]) if is_template(given.get("url", "")) else None
    if template is None and base and not _has_urls(given.get("url"), paths, rows):
        template = Template.below(base, [given["url"]] if "url" in given else paths)
    bodies = columns_of_bytes(paths, rows)
    if bodies and given.get("url", bodies[0]) in bodies:
        url = given.get("url", bodies[0])
        columns = guess_columns(paths, rows, given | {"url": url})
        assert columns is not None
        first = sorted(bodies, key=lambda path: path != url)
        return Found(columns, frozenset(), bodies=tuple(first)), 3.0
    if template is not None:
        if (field := template.missing(paths)) is not None:
            raise KeyError(field)
        given = given | {"url": template.text}
    columns = guess_columns(paths, rows, given)
    if columns is None:
        return None, 0.0
    if template is not None:
        return Found(columns, frozenset(), template), 0.0
    ranked = rank_url_columns([columns.url], rows)
    return (Found(columns, frozenset()), ranked[0].score) if ranked else (None, 0.0)


def _has_urls(url: str | None, paths: list[str], rows: list[dict[str, Any]]) -> bool:
    return bool(rank_url_columns([url] if url else paths, rows))


def _table_score(table: str) -> float:
    return 2.0 * (_last(table) in _OF_PICTURES) - 2.0 * (_last(table) in _SELDOM)


def _refusal(sample: Sample, missing: str | None, name: str) -> ArgumentError:
    rows = [row for table in sample.tables.values() for row in table]
    names = list(dict.fromkeys(key for row in rows for key in row.fields))
    if missing is not None:
        return ArgumentError(f"{name} has no column {missing!r}; it has: {', '.join(names)}")
    if of_web := _without_scheme(rows):
        return ArgumentError(
            f"{name} is no list of URLs: those in {of_web!r} have no scheme. Type "
            f'-a url="https://{{{of_web}}}"'
        )
    if any(_has_file_names([row.fields for row in table]) for table in sample.tables.values()):
        return ArgumentError(
            f"{name} is no list of URLs: it has names of files. Type the address that they are "
            "below: -a base=https://HOST/FOLDER/"
        )
    found: list[Row | MalformedRow] = [*rows, *sample.malformed]
    first = min(found, key=lambda row: row.number, default=None)
    if not isinstance(first, Row):
        return ArgumentError(f"{name} is no list of URLs. {first or 'It has no rows.'}")
    values = " ".join(str(value) for value in first.fields.values())
    have = f"; its columns: {', '.join(names)}" if len(names) > 1 else ""
    column = names[0] if len(names) == 1 else "column"
    return ArgumentError(
        f"{name} is no list of URLs: none in its first {sample.rows:,} rows{have}. "
        f"The first: row {first.number}: {excerpt(values)}. Addresses that are made of columns: "
        f'-a url="https://host/{{{column}}}.jpg"'
    )
