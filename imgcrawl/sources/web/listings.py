"""Listings that are made for programs: of buckets, and of folders as XML or JSON.

S3 and what speaks its protocol (both versions of ListObjects; Google's XML), Azure (List Blobs),
Google's JSON API, nginx (``autoindex_format xml`` and ``json``) and Caddy. Each says itself whether
it goes on, and where.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urljoin

from parsel import Selector

from imgcrawl.sources.web.page_link import LinkKind, PageLink
from imgcrawl.sources.web.query import with_query
from imgcrawl.text.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = 2000  # characters in which the root of a document must begin
_PLACES = ("marker", "continuation-token", "start-after", "pageToken")  # in a listing


def read_listing(body: str, url: str) -> Iterator[PageLink] | None:
    """Return the entries of a listing, and where it goes on; None if the answer is none.

    url: the listing's own address
    """
    head = body[:_HEAD].lstrip("\ufeff \t\r\n")
    if head.startswith("<"):
        if "<ListBucketResult" in head:
            return _bucket(_xml(body), url)
        if "<EnumerationResults" in head:
            return _azure(_xml(body), url)
        if "<list>" in head and ("<file" in body or "<directory" in body or "</list>" in body):
            return _nginx_xml(_xml(body), url)
        return None
    if not head.startswith(("[", "{")):
        return None
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(answer, dict):
        return _google(answer, url) if answer.get("kind") == "storage#objects" else None
    return _json_folder(answer, url) if all(map(_is_entry, answer)) else None


def _is_entry(each: Any) -> bool:
    """Return whether a value is an entry of a folder in JSON."""
    if not isinstance(each, dict) or not isinstance(each.get("name"), str):
        return False
    return not {"type", "is_dir", "mtime", "mod_time"}.isdisjoint(each)


def _xml(body: str) -> Selector:
    selector = Selector(body, type="xml")
    selector.remove_namespaces()
    return selector


def _bucket(selector: Selector, url: str) -> Iterator[PageLink]:
    """Yield keys, common prefixes, and the next page of ListObjects.

    Version 1 names the next page (NextMarker) where there is a delimiter, and by the last key else:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
    """
    encoded = selector.xpath("string(/*/EncodingType)").get() == "url"
    last = ""
    for content in selector.xpath("/*/Contents"):
        key = _text(content, "Key")
        last = max(last, key)
        name = unquote(key) if encoded else key
        if name and not name.endswith("/"):
            size = parse_size(_text(content, "Size"))
            date = _text(content, "LastModified") or None
            yield _file(_root(url) + quote(name), size, date)
    for prefix in selector.xpath("/*/CommonPrefixes/Prefix/text()").getall():
        last = max(last, prefix)
        name = unquote(prefix) if encoded else prefix
        yield _folder(with_query(url, {"prefix": name}, without=_PLACES))
    if selector.xpath("string(/*/IsTruncated)").get() != "true":
        return
    token = selector.xpath("string(/*/NextContinuationToken)").get()
    marker = selector.xpath("string(/*/NextMarker)").get() or last
    marker = unquote(marker) if encoded else marker
    if token:
        place = {"continuation-token": token}
    else:
        place = {"start-after" if "list-type=2" in url else "marker": marker}
    yield PageLink(with_query(url, place, without=_PLACES), continues=True)


def _azure(selector: Selector, url: str) -> Iterator[PageLink]:
    """Yield the blobs and the next page of a container.

    https://learn.microsoft.com/rest/api/storageservices/list-blobs
    """
    for blob in selector.xpath("/*/Blobs/Blob"):
        size = parse_size(_text(blob, "Properties/Content-Length"))
        date = _text(blob, "Properties/Last-Modified") or None
        yield _file(_root(url) + quote(_blob_name(blob)), size, date)
    for prefix in selector.xpath("/*/Blobs/BlobPrefix"):
        place = {"prefix": _blob_name(prefix)}
        yield _folder(with_query(url, place, without=_PLACES))
    if marker := selector.xpath("string(/*/NextMarker)").get():
        yield PageLink(with_query(url, {"marker": marker}, without=_PLACES), continues=True)


def _blob_name(blob: Selector) -> str:
    encoded = blob.xpath("string(Name/@Encoded)").get() == "true"
    name = _text(blob, "Name")
    return unquote(name) if encoded else name


def _google(answer: dict[str, Any], url: str) -> Iterator[PageLink]:
    """Yield the objects and the next page of https://cloud.google.com/storage/docs/json_api."""
    for each in answer.get("items") or ():
        if isinstance(each, dict) and (name := str(each.get("name") or "")):
            media = str(each.get("mediaLink") or "")
            media = media or f"{url.partition('?')[0]}/{quote(name, safe='')}?alt=media"
            if not name.endswith("/"):
                size = parse_size(str(each.get("size") or ""))
                date = str(each.get("updated") or "") or None
                yield _file(media, size, date, called=name.rpartition("/")[2])
    for prefix in answer.get("prefixes") or ():
        yield _folder(with_query(url, {"prefix": str(prefix)}, without=_PLACES))
    if token := answer.get("nextPageToken"):
        place = {"pageToken": str(token)}
        yield PageLink(with_query(url, place, without=_PLACES), continues=True)


def _nginx_xml(selector: Selector, url: str) -> Iterator[PageLink]:
    """Yield the entries of https://nginx.org/en/docs/http/ngx_http_autoindex_module.html."""
    for entry in selector.xpath("/list/*[self::file or self::directory]"):
        name = entry.xpath("string()").get() or ""
        date = entry.attrib.get("mtime")
        if entry.root.tag == "directory":
            yield _folder(_root(url) + quote(name) + "/")
        elif name:
            yield _file(_root(url) + quote(name), parse_size(entry.attrib.get("size", "")), date)


def _json_folder(answer: list[dict[str, Any]], url: str) -> Iterator[PageLink]:
    """Yield the entries of nginx' JSON, or of Caddy's, which names the address of each."""
    for each in answer:
        name = each["name"].rstrip("/")
        if not name:
            continue
        address = urljoin(_root(url), quote(name, safe=""))
        if each.get("type") == "directory" or each.get("is_dir") is True:
            yield _folder(f"{address}/")
        else:
            date = str(each.get("mtime") or each.get("mod_time") or "") or None
            yield _file(address, parse_size(str(each.get("size", ""))), date)


def _file(url: str, size: int | None, date: str | None, called: str = "") -> PageLink:
    exact = size is not None
    return PageLink(url, size, exact=exact, date=date, kind=LinkKind.FILE, called=called)


def _folder(url: str) -> PageLink:
    return PageLink(url, kind=LinkKind.FOLDER)


def _text(selector: Selector, path: str) -> str:
    return selector.xpath(f"string({path})").get() or ""


def _root(url: str) -> str:
    """Return the address that the names of a listing are below."""
    return url.partition("?")[0].rstrip("/") + "/"
