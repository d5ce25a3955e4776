"""Does what is known of a record answer what is asked of it today?"""

from __future__ import annotations

from typing import Any

import pytest

from imgcrawl.records.items import ImageItem, Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.question import Answer, answer_of, is_revised, same_question

A, B, C = (f"https://h.example/{name}.jpg" for name in "abc")
SIGNED = f"{A}?Expires=1700000000&Signature=x&Key-Pair-Id=k"
STORED = Stored("images/1.jpg", A, A, "aa", 3)
GONE = Missing(Outcome.NOT_FOUND, "HTTP 404", A, 404, 1)


def item(*urls: str, **digests: str) -> ImageItem:
    return ImageItem("1", list(urls), "images/1", digests=digests)


@pytest.mark.parametrize(
    ("result", "asked", "today", "answer"),
    [
        (STORED, item(A), item(A), Answer.YES),
        (STORED, item(A), item(SIGNED), Answer.YES),
        (STORED, item(A), item(B), Answer.NO),
        (STORED, item(A), item(B, A), Answer.YES),  # its address is a mirror by now
        (STORED, item(B, A), item(B), Answer.NO),  # and here it is not one any more
        (STORED, item(A), item(), Answer.YES),
        (STORED, item(A), item(A, sha256="aa"), Answer.YES),
        (STORED, item(A), item(B, sha256="aa"), Answer.YES),  # wherever it comes from
        (STORED, item(A), item(A, sha256="bb"), Answer.NO),
        (STORED, item(A), item(A, md5="11"), Answer.DIGESTS),
        (STORED, item(A, md5="11"), item(A, md5="11"), Answer.YES),
        (STORED, item(A, md5="11"), item(A, md5="22"), Answer.NO),
        (GONE, item(A), item(A), Answer.YES),
        (GONE, item(A), item(B), Answer.NO),
        (GONE, item(A, B), item(B), Answer.YES),
        (GONE, item(A), item(A, B), Answer.NO),  # a mirror that was not asked yet
        (GONE, item(A), item(A, md5="11"), Answer.NO),
    ],
)
def test_what_is_known_answers_or_not(
    result: Any, asked: ImageItem, today: ImageItem, answer: Answer
) -> None:
    assert answer_of(result, asked, today) is answer


def test_signatures_make_no_other_question() -> None:
    assert same_question(item(A), item(SIGNED))
    assert not same_question(item(A), item(A, B))
    assert not same_question(item(A), item(A, md5="11"))


@pytest.mark.parametrize(
    ("before", "today", "revised"),
    [
        ({"version": "1", "day": "a"}, {"version": "2", "day": "b"}, True),
        ({"version": "1", "day": "a"}, {"version": "2", "day": "a"}, False),
        # A mirror's days may differ from one of its machines to the next.
        ({"version": "1", "day": "a"}, {"version": "1", "day": "b"}, False),
        ({"version": "1", "day": "a"}, {"version": "2"}, False),
        ({"day": "a"}, {"version": "2", "day": "b"}, True),
    ],
)
def test_a_file_is_another_if_its_list_says_so_in_another_version(
    before: dict[str, Any], today: dict[str, Any], revised: bool
) -> None:
    asked = ImageItem("1", [A], "images/1", metadata=today, revision=("version", "day"))
    assert is_revised(before, asked) is revised
    assert not is_revised(before, ImageItem("1", [A], "images/1", metadata=today))
