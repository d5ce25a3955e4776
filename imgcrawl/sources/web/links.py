"""The links of a page: HTML of any kind, indexes of folders, listings made for programs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from parsel import Selector

from imgcrawl.sources.web.index_rows import RowFacts, elements, read_rows
from imgcrawl.sources.web.listings import read_listing
from imgcrawl.sources.web.page_link import LinkKind, PageLink
from imgcrawl.sources.web.query import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.http import Response

_EMBEDDED = "//img/@src | //source/@src | //video/@src | //embed/@src"
_LONG_TAG = re.compile(r"<[a-zA-Z][^<>]{1000,}")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_LINK_HEADER = re.compile(r"<([^<>]*)>((?:\s*;\s*[^,;<>]*)*)")
_PREVIEW = re.compile(r"/previews?/", re.IGNORECASE)
_MAX_ATTRIBUTES = 500
# Schemes that are no web's: such a link is a record that cannot be had, and says so.
_OTHER_SCHEMES = frozenset({"ftp", "ftps", "sftp"})
MAX_LINKS = 1_000_000  # of one page


def read_links(body: str, url: str) -> Iterator[PageLink]:
    """Yield the links of a page in their order, each once; `url` is the page's own address."""
    listing = read_listing(body, url)
    yield from _of_html(body, url) if listing is None else listing


def is_markup(body: str) -> bool:
    """Return whether a text is a page or a listing, and not the content of a file."""
    head = body[:4096].lstrip("\ufeff \t\r\n")
    is_html = re.search(r"(?i)<(?:!doctype html|html|head|body|title|a\s|table|ul|pre)", head)
    return is_html is not None or read_listing(body, "https://x.invalid/") is not None


def next_of_header(response: Response) -> Iterator[str]:
    """Yield the addresses that a Link header calls the next page (RFC 8288)."""
    for header in response.headers.getlist("Link"):
        for target, parameters in _LINK_HEADER.findall(header.decode("latin-1")):
            is_next = re.search(r"rel\s*=\s*\"?[^\";]*\bnext\b", parameters, re.IGNORECASE)
            if is_next and (url := clean_href(target, response.url)):
                yield url


def _of_html(body: str, url: str) -> Iterator[PageLink]:
    selector = Selector(drop_huge_tags(body), type="html")
    base = _base(selector, url)
    rows = read_rows(selector)
    links = [link for a in _anchors(selector) if (link := _link(a, base, rows)) is not None]
    if rows is None:  # in an index these are icons
        shown = (clean_href(src, base) for src in selector.xpath(_EMBEDDED).getall())
        links += [PageLink(address, embedded=True) for address in shown if address]
    # A page that shows a file has the file's name, and is in the place of no file.
    previews = {link.url for link in links if _PREVIEW.search(link.url)}
    names = {link.name for link in links if link.url not in previews} if previews else set()
    seen: set[str] = set()
    for link in links[:MAX_LINKS]:
        if link.url not in seen and not (link.url in previews and link.name in names):
            seen.add(link.url)
            yield link


def _anchors(selector: Selector) -> Iterator[Any]:
    for element in elements(selector.root, "a", "area", "link"):
        if element.tag != "link" or "next" in (element.get("rel") or "").lower().split():
            yield element


def _link(element: Any, base: str, rows: dict[str, RowFacts] | None) -> PageLink | None:
    """Return the link of an element, and what its row says of it; None if it leads nowhere."""
    href = element.get("href")
    url = clean_href(href, base) if href else None
    if url is None:
        return None
    # A link that sorts stands in the cells of some files, too.
    is_of_page = "?" in url and canonical(url) == canonical(base)
    facts = RowFacts() if is_of_page else (rows or {}).get(href, RowFacts())
    told = element.get("download")
    # A row with a size is a file whatever its name; a folder's size ends in a slash.
    is_file = told is not None or (facts.size is not None and not _is_folder(url))
    return PageLink(
        url,
        facts.size,
        exact=facts.exact,
        date=facts.date,
        following="next" in (element.get("rel") or "").lower().split(),
        kind=LinkKind.FILE if is_file else LinkKind.UNTOLD,
        called=re.split(r"[/\\]", (told or "").strip())[-1],
    )


def _is_folder(url: str) -> bool:
    return urlsplit(url).path.endswith("/")


def _base(selector: Selector, url: str) -> str:
    try:
        return urljoin(url, (selector.xpath("//base/@href").get() or "").strip())
    except ValueError:
        return url


def drop_huge_tags(body: str) -> str:
    """Return a page without tags of too many attributes: a parser compares each with all."""
    return _LONG_TAG.sub(
        lambda tag: "" if _n_attributes(tag[0]) > _MAX_ATTRIBUTES else tag[0], body
    )


def _n_attributes(tag: str) -> int:
    return len(re.split(r"[\s/]+", _QUOTED.sub(" ", tag)))


def clean_href(href: str, base: str) -> str | None:
    """Return an href as a browser takes it, controls gone or encoded; None if it is no URL."""
    href = re.sub(r"[\t\r\n]", "", href).strip()
    if (
        not href
        or href.startswith("#")
        or re.match(r"(?i)(mailto|javascript|data|tel|about):", href)
    ):
        return None
    try:
        joined = urljoin(base, href.replace("\\", "/")).partition("#")[0]
        parts = urlsplit(joined)
        if parts.scheme not in {"http", "https"} | _OTHER_SCHEMES or not parts.hostname:
            return None
    except ValueError:
        return None
    return re.sub(r"[\x00-\x20\"<>^`{|}\x7f]|[^\x00-\x7f]+", lambda m: quote(m[0]), joined)
