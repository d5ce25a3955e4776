"""Where objects of buckets are on the web: ``s3://bucket/key`` and ``gs://bucket/key``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

_SETTINGS = {"s3": "S3_URL", "gs": "GCS_URL"}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]")
_OF_BUCKET = re.compile(r"(s3|gs)://", re.IGNORECASE)


def is_in_bucket(url: str) -> bool:
    """Return whether an address is that of a bucket or of an object in one."""
    return _OF_BUCKET.match(url) is not None


def web_address(url: str, settings: Mapping[str, Any]) -> str:
    """Return where to ask for an address: an object's by S3_URL or GCS_URL, any other as it is.

    A key is taken as it stands: in none is anything encoded. Raises ValueError for what cannot be
    the name of a bucket or an object.
    """
    if not is_in_bucket(url):
        return url
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if not key:
        raise ValueError(f"{url} is a bucket, and no object of one")
    return bucket_url(bucket, settings[_SETTINGS[scheme.lower()]]) + quote(key)


def bucket_url(bucket: str, template: str) -> str:
    """Return the address of a bucket on the web, with a slash at its end.

    template: what s3://bucket/ stands for, with {bucket} in it
    Raises ValueError for what cannot be the name of a bucket.
    """
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise ValueError(f"{bucket!r} cannot be a bucket")
    if "://{bucket}." in template and "." in bucket:
        # A certificate for *.host does not cover a name with more dots.
        template = f"{template.replace('{bucket}.', '', 1).rstrip('/')}/{{bucket}}/"
    return template.replace("{bucket}", bucket).rstrip("/") + "/"
