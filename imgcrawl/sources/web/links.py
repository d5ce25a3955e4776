"""The links of a page: HTML of any kind, directory indexes, and the listings of S3.

Apache and nginx show sizes and dates beside the names, rounded and with units: they are kept as
the page has them, and nothing relies on them.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from parsel import Selector

from imgcrawl.text.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINKS = "//a/@href | //area/@href"
_EMBEDDED = "//img/@src | //source/@src | //video/@src | //embed/@src"
_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2})?)?|\d{2}-[A-Z][a-z]{2}-\d{4} \d{2}:\d{2}"
)
_SIZE = re.compile(r"(?<![\w.-])(\d{1,18}(?:\.\d{1,18})?)\s?([KMGT]?)B?(?![\w:-])", re.ASCII)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_PAGES = ("", ".html", ".htm", ".php", ".asp", ".aspx", ".jsp", ".cgi", ".xhtml")
_PARTS_OF_PAGES = (".css", ".js", ".ico", ".woff", ".woff2", ".svg", ".map")
_LONG_TAG = re.compile(r"<[a-zA-Z][^<>]{1000,}")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_MAX_ATTRIBUTES = 500
_CELLS = 8  # texts of a row beside its link, from its end
MAX_LINKS = 1_000_000  # of one page


@dataclass(frozen=True, slots=True)
class PageLink:
    """A link, as an absolute URL without a fragment, and what its page says of it.

    size: bytes, as nearly as the page says; exact: whether that is to the byte
    """

    url: str
    size: int | None = None
    exact: bool = False
    date: str | None = None
    embedded: bool = False  # shown in the page, and not a link to click on
    text: str = ""  # what a person clicks on, where that is more than the name
    continues: bool = False  # the same listing goes on there

    @property
    def name(self) -> str:
        """The last part of the path, as a person reads it; empty for a directory."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def is_page(self) -> bool:
        """Whether it leads to more links, by its looks: a directory, or a page."""
        name = self.name.lower()
        dot = name.rfind(".")
        return (name[dot:] if dot > 0 else "") in _PAGES

    @property
    def is_data(self) -> bool:
        """Whether it may be a file that somebody wants, by its looks."""
        if self.is_page or self.embedded:
            return False
        return not self.name.lower().endswith(_PARTS_OF_PAGES)


def read_links(body: str, url: str) -> Iterator[PageLink]:
    """Yield the links of a page in their order, each once; `url` is the page's own address."""
    if "<ListBucketResult" in body[:2000]:
        yield from _bucket(body, url)
        if more := next_page(body, url):
            yield PageLink(more, continues=True)
        return
    selector = Selector(drop_huge_tags(body))
    try:
        base = urljoin(url, (selector.xpath("//base/@href").get() or "").strip())
    except ValueError:
        base = url
    beside = _beside(selector)
    hrefs = [(href, False) for href in selector.xpath(_LINKS).getall()]
    if not beside:  # in an index these are icons
        hrefs += [(src, True) for src in selector.xpath(_EMBEDDED).getall()]
    seen: set[str] = set()
    for href, embedded in hrefs[:MAX_LINKS]:
        link = clean_href(href, base)
        if link is None or link in seen:
            continue
        seen.add(link)
        words = beside.get(href, "")
        date, size = _DATE.search(words), _SIZE.search(_DATE.sub(" ", words))
        yield PageLink(
            link,
            round(float(size[1]) * _UNITS[size[2]]) if size else None,
            exact=bool(size and not size[2] and "." not in size[1]),
            date=date[0] if date else None,
            embedded=embedded,
        )


def drop_huge_tags(body: str) -> str:
    """Return a page without tags of too many attributes: a parser compares each with all."""
    return _LONG_TAG.sub(
        lambda tag: "" if _n_attributes(tag[0]) > _MAX_ATTRIBUTES else tag[0], body
    )


def _n_attributes(tag: str) -> int:
    return len(re.split(r"[\s/]+", _QUOTED.sub(" ", tag)))


def next_page(body: str, url: str) -> str | None:
    """Return the address of the next page of an S3 listing, or None at its end."""
    if "<ListBucketResult" not in body[:2000]:
        return None
    selector = Selector(body, type="xml")
    selector.remove_namespaces()
    token = selector.xpath("//NextContinuationToken/text()").get()
    if selector.xpath("//IsTruncated/text()").get() != "true" or not token:
        return None
    bare = re.sub(r"([?&])continuation-token=[^&]*&?", r"\1", url).rstrip("&?")
    return f"{bare}{'&' if '?' in bare else '?'}continuation-token={quote(token, safe='')}"


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
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            return None
    except ValueError:
        return None
    return re.sub(r"[\x00-\x20\"<>^`{|}\x7f]|[^\x00-\x7f]+", lambda m: quote(m[0]), joined)


def _beside(selector: Selector) -> dict[str, str]:
    """Return the text beside each link of a directory index: in its row, or behind it."""
    if not re.search(
        r"(?i)index of|directory listing", selector.xpath("string(//title)").get() or ""
    ):
        return {}
    found: dict[str, str] = {}
    # Without XPath, whose time is the square of the depth of tables in tables, or worse.
    rows = list(selector.root.iter("tr"))
    outer = {outside for row in rows for outside in islice(row.iterancestors("tr"), 1)}
    for row in rows:
        hrefs = [] if row in outer else [a.get("href") for a in row.iter("a") if a.get("href")]
        if hrefs:
            cells = deque((text for text in row.itertext() if text.strip()), maxlen=_CELLS)
            found[hrefs[-1]] = " ".join(" ".join(cells).split())
    for link in selector.root.iter("a"):
        if (href := link.get("href")) and next(link.iterancestors("pre"), None) is not None:
            found[href] = _behind(link).partition("\n")[0]
    return found


def _behind(link: Any) -> str:
    """Return the text behind an element of a page, across small elements between."""
    texts = (each.tail for each in chain([link], islice(link.itersiblings(), 2)))
    return next(filter(None, texts), "")


def _bucket(body: str, url: str) -> Iterator[PageLink]:
    """Yield the keys and the common prefixes of ListObjectsV2, without the echoed <Prefix>."""
    selector = Selector(body, type="xml")
    selector.remove_namespaces()
    root = url.partition("?")[0]
    for content in selector.xpath("//Contents"):
        key = content.xpath("Key/text()").get() or ""
        if key and not key.endswith("/"):
            exact = parse_size(content.xpath("Size/text()").get() or "")
            date = content.xpath("LastModified/text()").get()
            yield PageLink(urljoin(root, quote(key)), exact, exact=exact is not None, date=date)
    for prefix in selector.xpath("//CommonPrefixes/Prefix/text()").getall():
        query = re.sub(r"([?&])(prefix|continuation-token)=[^&]*", r"\1", url.partition("?")[2])
        yield PageLink(f"{root}?{query.strip('&')}&prefix={quote(prefix, safe='')}")
