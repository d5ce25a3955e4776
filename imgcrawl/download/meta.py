"""What the meta of a request says to the downloader: every key that this project reads or sets.

Scrapy's own keys stand in its documentation (Requests and Responses, "Request.meta special keys").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from imgcrawl.download.bodies import BodySink


class Meta(TypedDict, total=False):
    """Meta of a request; each key may be left out.

    This project's own:

    media:             the answer is a picture or a file: a plain Response, of which nobody asks
                       the encoding; opt-out headers count, and its packing is the file's own
    digests:           what the bytes must come to, as the source says: {"md5": hexadecimal}
    spool:             a path; a body longer than the threshold is written there, the response has
                       an empty body and the flag ``spooled``, whatever its encoding
    spool_threshold:   bytes that a body may have in memory; else SPOOL_THRESHOLD
    sink:              takes the body of a 2xx answer as it comes; a stop ends that, too
    stoppable:         a stop of the run ends the transfer half-way
    page_only:         a file, by its headers, is not read: its response is empty, flag ``file``
    archive_index:     the list of an archive's members is wanted as JSON, with their sizes
    cache:             the kind of answer, which the HTTP cache may keep if it is right for it
    download_deadline: seconds for the whole transfer, 0 for none; else DOWNLOAD_DEADLINE
    redirect_anew:     set by the redirects: how many of them were before the request's own

    Scrapy's that are used: the limits of a transfer in seconds and bytes, the slot whose limits
    count (a host, or a service's name), and what a middleware is to leave out.
    """

    media: bool
    digests: dict[str, str]
    spool: str
    spool_threshold: int
    sink: BodySink
    stoppable: bool
    page_only: bool
    archive_index: bool
    cache: Literal["json", "page", "urls"]
    download_deadline: float
    redirect_anew: int

    download_timeout: float
    download_maxsize: int
    download_slot: str
    max_retry_times: int
    allow_offsite: bool
    dont_cache: bool
    dont_obey_robotstxt: bool
    dont_redirect: bool
    dont_retry: bool
