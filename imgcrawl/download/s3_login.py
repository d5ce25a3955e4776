"""S3_LOGIN=1: requests for objects of s3:// are signed, by the AWS_ variables of the environment.

For buckets that are private, and for those whose requester pays (AWS_REQUEST_PAYER=requester, as
GDAL has it). Without it nobody signs: keys that are for OUT would be refused by others' buckets.
Source: AWS Signature Version 4, as botocore makes it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

from scrapy.exceptions import NotConfigured

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.extras import require_extra

if TYPE_CHECKING:
    from scrapy import Request, Spider
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

_REGIONAL = re.compile(r"https://(?P<bucket>[^/]+?)\.s3[.-][a-z0-9-]+\.amazonaws\.com/")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class S3Login:
    """Who asks for objects of s3://. Raises ArgumentError if nobody is named.

    template: the setting S3_URL, what s3://bucket/ stands for
    """

    def __init__(self, template: str) -> None:
        require_extra("s3")
        if missing := [name for name in _KEYS if not os.environ.get(name)]:
            raise ArgumentError(f"S3_LOGIN=1 needs {' and '.join(missing)} in the environment.")
        styles = [template]
        if "{bucket}." in template:  # names with dots are in the path
            styles.append(template.replace("{bucket}.", "", 1).rstrip("/") + "/{bucket}/")
        self._buckets = [
            re.compile(re.escape(style).replace(r"\{bucket\}", "(?P<bucket>[^/]+?)"))
            for style in styles
        ]
        if ".amazonaws.com" in template:
            self._buckets.append(_REGIONAL)
        self.region = next(
            (found for name in ("AWS_REGION", "AWS_DEFAULT_REGION")
             if (found := os.environ.get(name))), "us-east-1",
        )  # fmt: skip
        self.pays = os.environ.get("AWS_REQUEST_PAYER") == "requester"

    @classmethod
    def of(cls, settings: BaseSettings) -> S3Login | None:
        """Return the login of a crawl, or None if it has none."""
        return cls(settings["S3_URL"]) if settings.getbool("S3_LOGIN") else None

    def headers(self, url: str, method: str = "GET") -> dict[str, str]:
        """Return the headers that sign a request; none for what is no object of s3://."""
        if not any(pattern.match(url) for pattern in self._buckets):
            return {}
        # Of an extra.
        from botocore.auth import S3SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.credentials import Credentials  # noqa: PLC0415

        payer = {"x-amz-request-payer": "requester"} if self.pays else {}
        request = AWSRequest(method=method, url=url, headers=payer)
        key, secret = (os.environ[name] for name in _KEYS)
        credentials = Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN"))
        S3SigV4Auth(credentials, "s3", self.region).add_auth(request)
        return dict(request.headers.items())

    def kvstore(self, url: str) -> dict[str, Any] | None:
        """Return tensorstore's store of a folder of s3://, which it asks for signed; else None."""
        found = next(filter(None, (pattern.match(url) for pattern in self._buckets)), None)
        if found is None:
            return None
        store: dict[str, Any] = {
            "driver": "s3",
            "bucket": found["bucket"],
            "path": unquote(url[found.end() :]),
            "aws_region": self.region,
            "requester_pays": self.pays,
            "aws_credentials": {"type": "environment"},
        }
        parts = urlsplit(url)
        if not (parts.hostname or "").endswith(".amazonaws.com"):
            store["endpoint"] = f"{parts.scheme}://{parts.netloc}"
        return store


class S3LoginMiddleware:
    """Signs the requests of a crawl: of documents, objects and lists."""

    def __init__(self, login: S3Login) -> None:
        self._login = login

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make one for a crawl, as Scrapy asks."""
        login = S3Login.of(crawler.settings)
        if login is None:
            raise NotConfigured
        return cls(login)

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        """Sign a request anew, each time that it is tried."""
        for name, value in self._login.headers(request.url, request.method).items():
            request.headers[name] = value
