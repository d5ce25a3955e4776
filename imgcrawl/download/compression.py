"""Decoding of compressed pages; its faults are raised as RecordMissing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.downloadermiddlewares.httpcompression import (
    HttpCompressionMiddleware as ScrapyHttpCompressionMiddleware,
)
from scrapy.exceptions import IgnoreRequest
from scrapy.utils.httpobj import urlparse_cached

from imgcrawl.download.statuses import is_picture
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from scrapy import Request, Spider
    from scrapy.http import Response


# What a medium may unpack to, which nobody has asked to be packed. A megabyte packs a gigabyte, and
# as many of them are in memory at once as there are requests.
MEDIA_MAXSIZE = 64 << 20  # bytes


class HttpCompressionMiddleware(ScrapyHttpCompressionMiddleware):
    """Wraps Scrapy's middleware, which itself lets the exceptions of four decoders through."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Return the response, decoded. Raises RecordMissing: too_large (a bomb), corrupt.

        An error page that cannot be decoded stays as it is: its status is what counts.
        """
        response = _without_aws_chunked(response)
        host = urlparse_cached(request).hostname
        tries = 1 + request.meta.get("retry_times", 0)
        if request.meta.get("media") and b"Content-Encoding" in response.headers:
            maxsize = int(request.meta.get("download_maxsize", self._max_size)) or MEDIA_MAXSIZE
            request = request.replace(
                meta={**request.meta, "download_maxsize": min(maxsize, MEDIA_MAXSIZE)}
            )
        try:
            return super().process_response(request, response)
        except IgnoreRequest:
            words = f"what {host} sent unpacks to more than is allowed"
            raise RecordMissing(Outcome.TOO_LARGE, words, response.status, tries) from None
        except Exception as error:  # each decoder has its own
            if response.status >= 300:
                return response
            if request.meta.get("media") and is_picture(response.body):
                headers = response.headers.copy()
                del headers["Content-Encoding"]  # identity was asked for, and came
                return response.replace(headers=headers)
            encoding = b", ".join(response.headers.getlist("Content-Encoding")).decode("latin-1")
            words = f"what {host} sent as {encoding} cannot be unpacked"
            raise RecordMissing(Outcome.CORRUPT, words, response.status, tries) from error


def _without_aws_chunked(response: Response) -> Response:
    """Return the response without the encoding "aws-chunked".

    boto3 leaves that on what it uploads: it is of the upload, and says nothing of the bytes.
    """
    told = b",".join(response.headers.getlist("Content-Encoding"))
    if b"aws-chunked" not in told:
        return response
    kept = [each.strip() for each in told.split(b",") if each.strip() != b"aws-chunked"]
    headers = response.headers.copy()
    del headers["Content-Encoding"]
    if any(kept):
        headers["Content-Encoding"] = b", ".join(filter(None, kept))
    return response.replace(headers=headers)
