"""Results, and the items that a ledger keeps."""

from __future__ import annotations

import pytest

from imgcrawl.records.counts import Counts
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.items import (
    Document,
    FileItem,
    ImageItem,
    Item,
    Missing,
    Stored,
    VolumeItem,
    from_json,
    merge_failures,
)
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.volume import Copy, VolumeAddress

URL = "http://a.org/1"


def test_an_error_becomes_the_result_that_it_is_of() -> None:
    error = RecordMissing(Outcome.SERVER_ERROR, "HTTP 503", 503, 4)
    assert Missing.of(error, URL) == Missing(Outcome.SERVER_ERROR, "HTTP 503", URL, 503, 4)
    cut = RecordMissing(Outcome.TRUNCATED, "it stops before its end")
    assert Missing.of(cut, URL) == Missing(Outcome.TRUNCATED, str(cut), URL, None, 1)
    assert Missing.of(cut, URL, status=200, tries=0) == Missing(
        Outcome.TRUNCATED, str(cut), URL, 200, 0
    )


def test_a_copy_of_an_error_says_the_same_and_has_no_traceback() -> None:
    with pytest.raises(RecordMissing) as caught:
        raise RecordMissing(Outcome.DNS, "no such host", None, 3)
    again = caught.value.again()
    assert Missing.of(again, URL) == Missing.of(caught.value, URL)
    assert again.__traceback__ is None


def test_the_failure_that_leaves_most_hope_is_the_one_of_all() -> None:
    gone = Missing(Outcome.NOT_FOUND, "HTTP 404", "http://a.org/", 404, 1)
    lost = Missing(Outcome.DNS, "no such host", "http://b.org/", None, 2)
    one = merge_failures([gone, lost])
    assert one.outcome is Outcome.DNS
    assert one.message == "no such host; HTTP 404 (http://a.org/)"
    assert one.tries == 3
    assert merge_failures([gone, gone]).outcome is Outcome.NOT_FOUND
    closed = Missing(Outcome.FORBIDDEN, "HTTP 401", "http://c.org/", 401, 1)
    wrong = Missing(Outcome.CORRUPT, "its md5 is another", "http://d.org/", 200, 1)
    for failures in ([wrong, closed], [closed, wrong]):  # what came tells more than what is closed
        assert merge_failures(failures).outcome is Outcome.CORRUPT
    assert merge_failures([wrong, lost, closed]).outcome is Outcome.DNS
    assert merge_failures([closed, gone]).outcome is Outcome.FORBIDDEN


def test_a_stored_file_that_turns_out_to_be_none_keeps_what_is_known_of_it() -> None:
    stored = Stored("a.jpg", URL, "http://b.org/", sha256="ab", tries=2)
    missing = stored.as_missing(Outcome.DUPLICATE, "the same bytes")
    assert missing == Missing(
        Outcome.DUPLICATE, "the same bytes", URL, 200, 2, "ab", "http://b.org/"
    )


@pytest.mark.parametrize(
    "item",
    [
        ImageItem("a", [URL], "images/a"),
        ImageItem(
            *("a", [URL, "http://b.org/"], "images/a", {"x": 1}, [Document("a.txt", "text")]),
            quota="n1",
            rank=3,
            digests={"md5": "0" * 32},
            hint="a mask of b",
        ),
        FileItem("f", [URL], "f.tif"),
        VolumeItem("v", [URL], "v.zarr", copy=Copy(VolumeAddress(URL, URL), ("s0/",))),
    ],
)
def test_a_ledger_keeps_all_that_another_try_needs(item: Item) -> None:
    assert from_json(item.record_id, item.to_json(), item.metadata) == item


def test_what_a_run_adds_to_an_item_is_not_kept() -> None:
    item = ImageItem("a", [URL], "a")
    item.unchanged, item.result = True, Stored()
    item.previous_failure = Missing(Outcome.DNS)
    again = from_json("a", item.to_json(), {})
    assert (again.unchanged, again.result, again.previous_failure) == (False, None, None)


def test_counts_taken_back_are_as_if_never_counted() -> None:
    for result in (Stored(bytes=7), Missing(Outcome.DNS)):
        for candidate in (False, True):
            counts = Counts()
            counts.add(result, candidate=candidate)
            counts.remove(result, candidate=candidate, in_this_run=True)
            assert (counts.done, counts.stored, counts.missing, counts.bytes) == (0, 0, 0, 0)
        counts = Counts()
        counts.add_unchanged(result)
        counts.remove(result, candidate=False, in_this_run=False)
        assert (counts.done, counts.unchanged, counts.not_retried) == (0, 0, 0)


def test_large_files_under_way_are_shown_before_the_phase() -> None:
    counts = Counts(phase="downloading")
    assert counts.describe_activity() == "downloading"
    counts.files["x/a.tif"] = 5_000_000, 20_000_000
    counts.files["b.tif"] = 1_000_000, None
    assert counts.describe_activity() == "a.tif 5/20 MB, b.tif 1 MB"
