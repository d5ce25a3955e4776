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

_TITLES = re.compile(r"(?i)index of|directory listing|listing of|powered by h5ai|^\S+ - /")
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_DATE = (
    rf"\d{{4}}-\d{{2}}-\d{{2}}(?:[ T]{_TIME})?(?: ?Z| ?UTC| ?[+-]\d{{2}}:?\d{{2}})?"
    rf"|\d{{4}}-[A-Z][a-z]{{2}}-\d{{2}} {_TIME}"  # lighttpd
    rf"|\d{{1,2}}-[A-Z][a-z]{{2}}-\d{{4}}(?: {_TIME})?"  # nginx, Apache 1.3
    rf"|(?:\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{4}}|\d{{4}}/\d{{1,2}}/\d{{1,2}})"  # IIS, by its locale
    rf",?\s+{_TIME}(?:\s?[AP]M)?"
    rf"|(?:[A-Z][a-z]+, )?[A-Z][a-z]+ \d{{1,2}}, \d{{4}},?\s+{_TIME}(?:\s?[AP]M)?"  # IIS, Jetty
    rf"|[A-Z][a-z]{{2}}, \d{{1,2}} [A-Z][a-z]{{2}} \d{{4}} {_TIME} GMT"  # Tomcat
)
_SIZE = r"(?P<number>\d{1,3}(?:,\d{3})+|\d{1,18}(?:\.\d{1,9})?)\s?(?P<unit>[KMGTP]?)i?(?:B|bytes?)?"
_NO_SIZE = r"-|\u2014|&lt;dir&gt;|<dir>"
_DATE_CELL = re.compile(_DATE)
_SIZE_CELL = re.compile(_SIZE, re.IGNORECASE)
_BEHIND = re.compile(rf"\s*(?P<date>{_DATE})\s+(?:(?i:{_SIZE})|{_NO_SIZE})?(?:\s|$)")
_SIZE_ALONE = re.compile(rf"\s+(?P<date>)(?i:{_SIZE})\s*$")
_BEFORE = re.compile(rf"(?:^|\s)(?P<date>{_DATE})\s+(?:(?i:{_SIZE})|{_NO_SIZE})\s*$")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_EXACT = ("data-size", "data-order", "data-sort")  # attributes of a cell: Caddy, rclone
_LONGEST_CELL = 80  # characters; what is longer is neither a size nor a date
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
    title = selector.xpath("string(//title)").get() or ""
    if not _TITLES.search(" ".join(title.split())) and not _has_size_column(root):
        return None
    found: dict[str, RowFacts] = {}
    rows = list(root.iter("tr"))
    outer = {outside for row in rows for outside in islice(row.iterancestors("tr"), 1)}
    for row in rows:
        if row not in outer:
            found |= _of_row(row)
    for link in root.iter("a"):
        if (href := link.get("href")) and next(link.iterancestors("pre"), None) is not None:
            found[href] = _beside(link)
    return found


def _has_size_column(root: Any) -> bool:
    headers = ("".join(th.itertext()).strip().lower() for th in root.iter("th"))
    return any(text in {"size", "file size", "filesize"} for text in headers)


def _of_row(row: Any) -> dict[str, RowFacts]:
    """Return the facts of the links of a row: the cells behind the one that holds the link."""
    hrefs: list[str] = []
    facts = RowFacts()
    for cell in islice(row.iterchildren("td", "th"), _CELLS):
        if not hrefs:
            hrefs = [a.get("href") for a in cell.iter("a") if a.get("href")]
            hrefs = hrefs if "".join(cell.itertext()).strip() else []  # an icon may be a link too
            continue
        text = " ".join(islice(_texts(cell), 8)).strip()
        size, exact = _exact_size(cell), True
        if size is None:
            size, exact = read_size(text)
        if facts.size is None and size is not None:
            facts = RowFacts(size, exact, facts.date)
        elif facts.date is None and len(text) <= _LONGEST_CELL and _DATE_CELL.fullmatch(text):
            facts = RowFacts(facts.size, facts.exact, text)
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
    behind = _behind(link).partition("\n")[0][: _LONGEST_CELL + 1]
    match = _BEHIND.match(behind) or _SIZE_ALONE.match(behind)
    if match is None:
        before = link.getprevious()
        text = (before.tail if before is not None else link.getparent().text) or ""
        match = _BEFORE.search(text.rpartition("\n")[2][-_LONGEST_CELL:])
    if match is None:
        return RowFacts()
    size, exact = _bytes(match["number"], match["unit"]) if match["number"] else (None, False)
    return RowFacts(size, exact, match["date"] or None)


def _behind(link: Any) -> str:
    """Return the text behind an element in its line, across small elements between."""
    between = takewhile(lambda each: each.tag not in {"a", "br"}, islice(link.itersiblings(), 2))
    return next(filter(None, (each.tail for each in chain([link], between))), "")
