"""A copy's failures: a million of them, and one result."""

from __future__ import annotations

import errno

import pytest

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.volumes.copy.failures import CopyFailures, disk_error

URL = "https://a.example/v/"


def test_no_failure_is_false() -> None:
    failures = CopyFailures()
    assert not failures
    failures.add("a", RecordMissing(Outcome.TIMEOUT, "too slow"))
    assert failures
    assert not failures.hopeless


def test_failures_are_counted_by_outcome_with_the_first_of_them() -> None:
    failures = CopyFailures()
    failures.add("s0/0.0", RecordMissing(Outcome.NOT_FOUND, "HTTP 404", 404))
    for n in range(1500):
        failures.add(f"s0/{n}.1", RecordMissing(Outcome.SERVER_ERROR, "HTTP 500", 500, 5))
    missing = failures.to_missing(2000, URL, complete=False)
    # A server's error may pass: of the two it leaves more hope.
    assert (missing.outcome, missing.http_status, missing.tries) == (Outcome.SERVER_ERROR, 500, 6)
    assert missing.url == URL
    assert missing.message == (
        "1,501 of at least 3,501 objects: 1,500 server_error, 1 not_found; "
        "first: 's0/0.0' (HTTP 404)"
    )
    assert "of 3,501 objects" in failures.to_missing(2000, URL, complete=True).message


@pytest.mark.parametrize("outcome", [Outcome.DISK_FULL, Outcome.INTERRUPTED, Outcome.HOST_DOWN])
def test_what_ends_a_copy_is_its_outcome(outcome: Outcome) -> None:
    failures = CopyFailures()
    failures.add("a", RecordMissing(Outcome.SERVER_ERROR, "HTTP 500", 500))
    failures.add("", RecordMissing(outcome, "no more", tries=0))
    assert failures.hopeless
    assert failures.to_missing(0, URL, complete=False).outcome is outcome


def test_a_failure_of_the_whole_copy_is_no_object() -> None:
    failures = CopyFailures()
    failures.stop()
    failures.stop()
    missing = failures.to_missing(5, URL, complete=False)
    assert missing.outcome is Outcome.INTERRUPTED
    assert missing.message == "the run was stopped; the next one goes on from here"
    assert failures.outcomes.total() == 1


def test_a_name_that_cannot_be_used_is_quoted() -> None:
    failures = CopyFailures()
    failures.refuse("../a", "it leads elsewhere")
    missing = failures.to_missing(1, URL, complete=True)
    assert missing.outcome is Outcome.BAD_URL
    assert missing.message.startswith("1 of 2 objects: 1 bad_url; first: '../a' (")
    assert "it leads elsewhere" in missing.message


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.ENOSPC, Outcome.DISK_FULL),
        (errno.EDQUOT, Outcome.DISK_FULL),
        (errno.ENOENT, Outcome.NOT_FOUND),
        (errno.ENAMETOOLONG, Outcome.BAD_URL),
    ],
)
def test_what_the_disk_says_has_an_outcome(number: int, outcome: Outcome) -> None:
    error = disk_error(OSError(number, "words of the disk"))
    assert (error.outcome, error.tries) == (outcome, 0)
    assert "words of the disk" in error.message
