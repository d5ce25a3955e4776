"""The query of a page's address: what it asks for, and what of it is only the order of rows."""

from __future__ import annotations

import re
from enum import Enum
from urllib.parse import parse_qsl, quote, urlsplit

_PAGE_NAMES = """
    page p pg paged pageno page_no pagenum page_num pagenumber page_number pageindex page_index
    start offset from skip begin first startindex start_index rpp_start cursor after marker
    continuation-token start-after pagetoken page_token
    limit per_page perpage page_size pagesize rpp rows max_results maxresults results_per_page
    items_per_page
"""
_PAGE = frozenset(_PAGE_NAMES.split())
_FOLDER = frozenset({"dir", "path", "folder", "directory", "prefix", "subdir", "subfolder"})
_ORDER_NAMES = """
    sort sortby sort_by sortdir sort_dir sort_order sortorder order orderby order_by
    direction desc asc lang locale
"""
_ORDER = frozenset(_ORDER_NAMES.split())
_DIRECTIONS = frozenset({"asc", "desc", "up", "down"})
_APACHE = re.compile(r"C=[NMSD]|O=[AD]|F=[012]|V=[01]|P=.*")  # of mod_autoindex
_MANY = 100  # parts of a query; more of them are no page's


class Leads(Enum):
    """Where a link with a query leads, as seen from the page that it stands on."""

    ON = "to another page of the same list"
    INTO = "into a folder"
    SAME = "to the same rows in another order"
    ELSEWHERE = "to what only its server knows"


def canonical(url: str) -> str:
    """Return one spelling of a page's address: parts of the query in order, without sorting."""
    base, mark, query = url.partition("?")
    if not mark:
        return url
    pairs = sorted(_pairs(query))
    return base + ("?" + "&".join(f"{name}={value}" for name, value in pairs) if pairs else "")


def leads(url: str, page: str) -> Leads:
    """Return where a link leads, by how its query differs from that of the page."""
    there, here = dict(_pairs(urlsplit(url).query)), dict(_pairs(urlsplit(page).query))
    differing = {name for name in there.keys() | here.keys() if there.get(name) != here.get(name)}
    if not differing:
        return Leads.SAME
    changed = {name.lower() for name in differing}
    # What the link leaves out of the page's query is where it comes back to: to be known already.
    if changed <= _PAGE:
        return Leads.ON
    return Leads.INTO if changed <= _PAGE | _FOLDER else Leads.ELSEWHERE


def folder_of(url: str) -> str:
    """Return the folder that a query names, without slashes at its ends; empty for none."""
    named = (v for name, v in parse_qsl(urlsplit(url).query) if name.lower() in _FOLDER)
    return next(named, "").strip("/")


def with_query(url: str, place: dict[str, str], *, without: tuple[str, ...]) -> str:
    """Return an address with other values in its query; those of `without` are left out."""
    base, _, query = url.partition("?")
    dropped = {*place, *without}
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in dropped]
    kept += [f"{name}={quote(value, safe='')}" for name, value in place.items()]
    return f"{base}?{'&'.join(kept)}"


def _pairs(query: str) -> list[tuple[str, str]]:
    """Return the parts of a query that are about what is shown, as they are spelt."""
    found = []
    for part in re.split(r"[&;]", query)[:_MANY]:
        name, _, value = part.partition("=")
        lower = name.lower()
        is_order = lower in _ORDER or lower.startswith("utm_") or value.lower() in _DIRECTIONS
        if name and not is_order and not _APACHE.fullmatch(part):
            found.append((name, value))
    return found
