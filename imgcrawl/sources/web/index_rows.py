"""What the index of a folder says beside each link: size and date, each from its own column.

Servers write them as cells of a table (Apache with HTMLTable, lighttpd, Caddy, rclone, h5ai, Jetty,
Tomcat) or as text behind the link (Apache, nginx) or before it (IIS). Sizes may be rounded and have
units: nothing relies on them. A number in a name, in a description or in a time is no size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain, islice, takewhile
from typing import TYPE_CHECKING, Any

from imgcrawl.text.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from parsel import Selector

_TITLES = re.compile(r"(?i)index of|directory listing|listing(?: of|:)|powered by h5ai|^\S+ - /")
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_DATE = (
    rf"\d{{4}}-\d{{2}}-\d{{2}}(?:[ T]{_TIME})?(?: ?Z| ?[+-]\d{{2}}:?\d{{2}})?(?: ?UTC)?"
    rf"|\d{{4}}-[A-Z][a-z]{{2}}-\d{{2}} {_TIME}"  # lighttpd
    rf"|\d{{1,2}}-[A-Z][a-z]{{2}}-\d{{4}}(?: {{1,2}}{_TIME})?"  # nginx, Apache 1.3
    rf"|[A-Z][a-z]{{2}} {{1,2}}\d{{1,2}} {{1,5}}(?:\d{{4}}|{_TIME})"  # ls -l
    rf"|(?:\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{4}}|\d{{4}}/\d{{1,2}}/\d{{1,2}})"  # IIS, by its locale
    rf",?\s+{_TIME}(?:\s?[AP]M)?"
    rf"|(?:[A-Z][a-z]+, )?[A-Z][a-z]+ \d{{1,2}}, \d{{4}},?\s+{_TIME}(?:\s?[AP]M)?"  # IIS, Jetty
    rf"|[A-Z][a-z]{{2}}, \d{{1,2}} [A-Z][a-z]{{2}} \d{{4}} {_TIME} GMT"  # Tomcat
)
_SIZE = (
    r"(?P<number>\d{1,3}(?:,\d{3})+|\d{1,18}(?:\.\d{1,9})?)\s{0,2}"
    r"(?P<unit>[KMGTP]?)i?(?:B|bytes?)?"
)
_NO_SIZE = r"-|\u2014|&lt;dir&gt;|<dir>"
_DATE_CELL = re.compile(_DATE)
_SIZE_CELL = re.compile(_SIZE, re.IGNORECASE)
_BEHIND = re.compile(rf"\s*(?P<date>{_DATE})\s+(?:(?i:{_SIZE})|{_NO_SIZE})?(?:\s|$)")
_SIZE_ALONE = re.compile(rf"\s+(?P<date>)(?i:{_SIZE})\s*$")
_BEFORE = re.compile(rf"(?:^|\s)(?P<date>{_DATE})\s+(?:(?i:{_SIZE})|{_NO_SIZE})\s*$")
_BEFORE_DATE = re.compile(rf"(?:^|\s)(?i:{_SIZE})\s+(?P<date>{_DATE})\s*$")  # ls -l
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_EXACT = ("data-size", "data-order", "data-sort")  # attributes of a cell: Caddy, rclone
_LONGEST_CELL = 80  # characters; what is longer is neither a size nor a date
_LINES = 50  # links of a page that are looked at, to tell whether it is an index
_CELLS = 16  # of a row; what is behind them is not looked at


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What a row says of its file. size: bytes; exact: whether that is to the byte."""

    size: int | None = None
    exact: bool = False
    date: str | None = None


def read_rows(selector: Selector) -> dict[str, RowFacts] | None:
    """Return the facts of each href of an index; None if the page is no index of a folder.

    Without XPath, whose time is the square of the depth of tables in tables, or worse.
    """
    root = selector.root
    has_sizes = any(map(_has_sizes, elements(root, "th")))
    if not (has_sizes or _is_titled(root) or _has_lines(root)):
        return None
    column = _size_column(root) if has_sizes else None
    found: dict[str, RowFacts] = {}
    rows = list(elements(root, "tr"))
    outer = {outside for row in rows for outside in islice(row.iterancestors("tr"), 1)}
    for row in rows:
        if row not in outer:
            found |= _of_row(row, column)
    for link in elements(root, "a"):
        if (href := link.get("href")) and next(link.iterancestors("pre"), None) is not None:
            found[href] = _beside(link)
    return found


def elements(root: Any, *tags: str) -> Iterator[Any]:
    """Yield the elements of a page in their order, those behind its ``</html>`` too.

    Apache puts whatever a HEADER.html is, a whole page at times, before its list.
    """
    for tree in chain([root], root.itersiblings()):
        yield from tree.iter(*tags)


def _is_titled(root: Any) -> bool:
    titles = ("".join(islice(each.itertext(), 8)) for each in elements(root, "title", "h1"))
    return any(_TITLES.search(" ".join(title.split())) for title in titles)


def _has_sizes(header: Any) -> bool:
    """Return whether a header is that of sizes; arrows beside the word sort."""
    text = "".join(islice(header.itertext(), 8)).lower()
    return header.tag == "th" and re.sub(r"[^a-z]", "", text) in {"size", "filesize"}


def _size_column(root: Any) -> tuple[int, int] | None:
    """Return which column has sizes, and of how many, by the first row of headers that says so."""
    for row in elements(root, "tr"):
        cells = list(islice(row.iterchildren("td", "th"), _CELLS))
        if (
            column := next((n for n, cell in enumerate(cells) if _has_sizes(cell)), None)
        ) is not None:
            return column, len(cells)
    return None


def _has_lines(root: Any) -> bool:
    """Return whether several links have dates behind them in their lines, by whatever title."""
    links = (a for pre in elements(root, "pre") for a in pre.iter("a") if a.get("href"))
    dated = (a for a in islice(links, _LINES) if _BEHIND.match(_line_behind(a)))
    return len(list(islice(dated, 2))) == 2


def _of_row(row: Any, column: tuple[int, int] | None) -> dict[str, RowFacts]:
    """Return the facts of the links of a row: the cells behind the one that holds the link.

    column: which of how many has the sizes, where the table says so
    """
    hrefs: list[str] = []
    facts = RowFacts()
    cells = list(islice(row.iterchildren("td", "th"), _CELLS))
    only = column[0] if column is not None and len(cells) == column[1] else None
    for index, cell in enumerate(cells):
        if not hrefs:
            hrefs = [a.get("href") for a in cell.iter("a") if a.get("href")]
            hrefs = hrefs if "".join(cell.itertext()).strip() else []  # an icon may be a link too
            continue
        texts = list(islice(_texts(cell), 8))
        text = " ".join(texts).strip()
        size, exact = _exact_size(cell), True
        if size is None:
            size, exact = read_size(text)
        if facts.size is None and size is not None and only in {None, index}:
            facts = RowFacts(size, exact, facts.date)
        elif facts.date is None and len(text) <= _LONGEST_CELL:
            # Some say beside it how long ago that was.
            facts = RowFacts(
                facts.size, facts.exact, next(filter(_DATE_CELL.fullmatch, (text, *texts)), None)
            )
    return dict.fromkeys(hrefs, facts)


def _texts(cell: Any) -> Iterator[str]:
    times = (time.get("datetime") for time in cell.iter("time"))
    if machine := next(filter(None, times), None):
        yield machine
        return
    yield from (" ".join(text.split()) for text in cell.itertext())


def _exact_size(cell: Any) -> int | None:
    values = (parse_size(cell.get(name) or "") for name in _EXACT)
    text = "".join(islice(cell.itertext(), 8))
    return (
        next((v for v in values if v is not None), None) if read_size(text)[0] is not None else None
    )


def read_size(text: str) -> tuple[int | None, bool]:
    """Return the bytes that a cell says, and whether they are exact; (None, False) for no size."""
    text = text.strip()
    match = _SIZE_CELL.fullmatch(text) if len(text) <= _LONGEST_CELL else None
    return _bytes(match["number"], match["unit"]) if match else (None, False)


def _bytes(number: str, unit: str) -> tuple[int, bool]:
    factor = _UNITS[unit.upper()]
    exact = factor == 1 and "." not in number
    plain = number.replace(",", "")
    return (int(plain) if exact else round(float(plain) * factor)), exact


def _beside(link: Any) -> RowFacts:
    """Return what the text behind a link says of it in its line, or else the text before it."""
    behind = _line_behind(link)
    match = _BEHIND.match(behind) or _SIZE_ALONE.match(behind)
    if match is None:
        before = link.getprevious()
        text = (before.tail if before is not None else link.getparent().text) or ""
        line = text.rpartition("\n")[2][-_LONGEST_CELL:]
        match = _BEFORE.search(line) or _BEFORE_DATE.search(line)
    if match is None:
        return RowFacts()
    size, exact = _bytes(match["number"], match["unit"]) if match["number"] else (None, False)
    return RowFacts(size, exact, match["date"] or None)


def _line_behind(link: Any) -> str:
    """Return what stands behind a link in its line; what is cut ends with a whole word."""
    line = " " + _behind(link).partition("\n")[0].strip()
    return line if len(line) <= _LONGEST_CELL else line[:_LONGEST_CELL].rpartition(" ")[0]


def _behind(link: Any) -> str:
    """Return the text behind an element in its line, across small elements between."""
    between = takewhile(lambda each: each.tag not in {"a", "br"}, islice(link.itersiblings(), 2))
    return next(filter(None, (each.tail for each in chain([link], between))), "")
