"""The closed list of ways in which a record can end.

A record that a dataset promises is either ``stored`` or missing with exactly one of the
other words. The words are a contract: they stand in ``failures.csv``, in the ledger, in
``summary.json`` and in the ``retry=`` argument.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a record ended. ``str(outcome)`` is the word written to the tables."""

    STORED = "stored"

    NOT_FOUND = "not_found"  # 404, 410
    FORBIDDEN = "forbidden"  # 401, 403
    RATE_LIMITED = "rate_limited"  # 429 until the tries were used up
    SERVER_ERROR = "server_error"  # 5xx, and what else may pass: 202, 408, 421, 425, 499
    HTTP_ERROR = "http_error"  # any other status
    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    TLS = "tls"
    CONNECTION_LOST = "connection_lost"
    TRUNCATED = "truncated"  # fewer bytes than promised, or an image without its end
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    EMPTY = "empty"
    NOT_IMAGE = "not_image"  # HTML, XML, text
    CORRUPT = "corrupt"  # does not decode
    CHANGED = "changed"  # other bytes than the lock of the dataset names
    PLACEHOLDER = "placeholder"  # "photo unavailable"
    DUPLICATE = "duplicate"  # the same bytes as another of its class, where a number is wanted
    ROBOTS = "robots"
    OPTED_OUT = "opted_out"  # X-Robots-Tag
    DROPPED = "dropped"  # by an item pipeline of the user's
    BLOCKED_ADDRESS = "blocked_address"
    BAD_URL = "bad_url"
    REDIRECTS = "redirects"
    HOST_DOWN = "host_down"  # given up for a while after failure upon failure
    DISK_FULL = "disk_full"
    INTERRUPTED = "interrupted"

    @property
    def retryable(self) -> bool:
        """True if the next run should try again without being asked to."""
        return self in _RETRYABLE

    @property
    def transient(self) -> bool:
        """True if a second try within this run, after a pause, may help."""
        return self in _TRANSIENT


MISSING = tuple(outcome for outcome in Outcome if outcome is not Outcome.STORED)

# Truncated, empty and lost bodies are faults of a transfer as often as of a file.
_TRANSIENT = frozenset(
    {
        Outcome.RATE_LIMITED,
        Outcome.SERVER_ERROR,
        Outcome.DNS,
        Outcome.REFUSED,
        Outcome.TIMEOUT,
        Outcome.CONNECTION_LOST,
        Outcome.TRUNCATED,
        Outcome.EMPTY,
    }
)

# A certificate is renewed, a disk emptied, a host repaired, but only between runs. `forbidden`
# is what an expired signature answers, and the next run has a fresh one.
_RETRYABLE = _TRANSIENT | {
    Outcome.FORBIDDEN,
    Outcome.TLS,
    Outcome.HOST_DOWN,
    Outcome.DISK_FULL,
    Outcome.INTERRUPTED,
}

# What another run will not find either, at its own address: worth a look into an archive.
GONE = frozenset(
    {
        Outcome.NOT_FOUND,
        Outcome.FORBIDDEN,
        Outcome.DNS,
        Outcome.REFUSED,
        Outcome.HOST_DOWN,
        Outcome.REDIRECTS,
        Outcome.NOT_IMAGE,
        Outcome.CORRUPT,
        Outcome.CHANGED,
        Outcome.PLACEHOLDER,
    }
)


def of_status(status: int) -> Outcome:
    """Return the outcome that an HTTP status other than 200 stands for."""
    match status:
        case 404 | 410:
            return Outcome.NOT_FOUND
        case 401 | 403:
            return Outcome.FORBIDDEN
        case 429:
            return Outcome.RATE_LIMITED
        case 202 | 408 | 421 | 425 | 499:
            return Outcome.SERVER_ERROR  # not ready, too slow, another connection: it may pass
        case 501 | 505:
            return Outcome.HTTP_ERROR  # what the server cannot do at all
        case _ if status >= 500:
            return Outcome.SERVER_ERROR
        case _:
            return Outcome.HTTP_ERROR
