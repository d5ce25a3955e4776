"""A public bucket of S3: objects, ranges of them, and lists by both versions of ListObjects."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TypeAlias
from xml.sax.saxutils import escape

from aiohttp import web

MAX_KEYS = 1000  # keys per page of a list
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

Bucket: TypeAlias = dict[str, bytes]  # objects by key, sorted


def answer(
    request: web.Request, name: str, bucket: Bucket, key: str, *, longest: int = MAX_KEYS
) -> web.Response:
    """Answer with an object or a range of it, or without a key with a page of the list.

    longest: keys per page, at most
    """
    if not key:
        return _list(request, name, bucket, longest)
    body = bucket.get(key)
    if body is None:
        return error(404, "NoSuchKey", "The specified key does not exist.")
    return _object(request, body)


def _object(request: web.Request, body: bytes) -> web.Response:
    headers = {"ETag": f'"{md5(body)}"', "Accept-Ranges": "bytes"}
    kind = "binary/octet-stream"
    asked = request.http_range
    if asked.start is None and asked.stop is None:
        return web.Response(body=body, content_type=kind, headers=headers)
    start, stop, _ = slice(asked.start, asked.stop).indices(len(body))
    if start >= stop:
        return error(416, "InvalidRange", "The requested range is not satisfiable")
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
    return web.Response(body=body[start:stop], status=206, content_type=kind, headers=headers)


def _list(request: web.Request, name: str, bucket: Bucket, longest: int) -> web.Response:
    """Answer ListObjects with prefix, delimiter, max-keys and the place to go on from.

    Version 1 names that place (NextMarker) only where there is a delimiter:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
    """
    query = request.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    text = query.get("max-keys", str(longest))
    most = min(int(text), longest) if text.isdigit() else longest
    second = query.get("list-type") == "2"
    try:
        after = bytes.fromhex(query.get("continuation-token", "")).decode()
    except ValueError:
        return error(400, "InvalidArgument", "The continuation token provided is incorrect")
    after = max(after, query.get("start-after", "")) if second else query.get("marker", "")
    contents, children, last, more = _page(bucket, prefix, delimiter, after, most)
    token = ""
    if more and second:
        token = f"<NextContinuationToken>{last.encode().hex()}</NextContinuationToken>"
    elif more and delimiter:
        token = f"<NextMarker>{escape(last)}</NextMarker>"
    inner = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-21T04:04:20.000Z</LastModified>"
        f'<ETag>"{md5(body)}"</ETag><Size>{len(body)}</Size><StorageClass>STANDARD</StorageClass>'
        "</Contents>"
        for key, body in contents
    )
    inner += "".join(
        f"<CommonPrefixes><Prefix>{escape(c)}</Prefix></CommonPrefixes>" for c in children
    )
    return _xml(
        f'<ListBucketResult xmlns="{_NAMESPACE}"><IsTruncated>{str(more).lower()}</IsTruncated>'
        f"<Name>{name}</Name><Prefix>{escape(prefix)}</Prefix><Delimiter>{escape(delimiter)}"
        f"</Delimiter><MaxKeys>{most}</MaxKeys>"
        + (f"<KeyCount>{len(contents) + len(children)}</KeyCount>" if second else "<Marker/>")
        + f"{inner}{token}</ListBucketResult>"
    )


def _page(
    bucket: Bucket, prefix: str, delimiter: str, after: str, most: int
) -> tuple[list[tuple[str, bytes]], list[str], str, bool]:
    """Return objects and common prefixes after a key, the last key, and True if more follow."""
    contents: list[tuple[str, bytes]] = []
    children: list[str] = []
    last, more = "", False
    for key, body in bucket.items():
        if not key.startswith(prefix) or key <= after:
            continue
        head, found, _ = key.removeprefix(prefix).partition(delimiter or "\0")
        child = prefix + head + delimiter if delimiter and found else ""
        if child and (child in children or (after and after.startswith(child))):
            last = key
            continue
        if len(contents) + len(children) >= most:
            more = True
            break
        last = key
        if child:
            children.append(child)
        else:
            contents.append((key, body))
    return contents, children, last, more


def error(status: int, code: str, message: str) -> web.Response:
    """Answer with an error document."""
    return _xml(f"<Error><Code>{code}</Code><Message>{message}</Message></Error>", status)


def _xml(text: str, status: int = 200) -> web.Response:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return web.Response(status=status, text=head + text, content_type="application/xml")


@lru_cache(maxsize=4096)
def md5(body: bytes) -> str:
    """Return the ETag of an object that was put in one part."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
