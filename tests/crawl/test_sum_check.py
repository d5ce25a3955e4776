"""What was read of a list is stored, missing or unreadable, or the run has failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from imgcrawl.crawl.sum_check import SumCheck
from imgcrawl.records.items import Read


def run(promised: int, unreadable: int = 0, candidates: int = 0) -> Any:
    """A run whose ledger has so many records."""

    def counts(*, promised: bool = False, n: int = promised) -> dict[str, int]:
        return {"stored": n if promised else n + candidates}

    ledger = SimpleNamespace(counts=counts, n_unreadable=lambda: unreadable)
    return SimpleNamespace(recorder=SimpleNamespace(flush=lambda: None), ledger=ledger)


def check(read: Read | None, records: int, *, candidates: int = 0, **others: Any) -> SumCheck:
    return SumCheck(records, candidates, read=read, **others)


@pytest.mark.parametrize(
    ("checked", "ledger"),
    [
        (check(Read(5, 4, 1), 4, unreadable=1), run(4, 1)),
        (check(Read(5, 4, 1), 4, unreadable=1), run(9, 3)),  # of earlier runs, too
        (check(Read(10, 8, 2), 3, unreadable=1, others=(5, 1)), run(3, 1)),  # a shard's
        (check(Read(90, 7, 0, 83), 0, candidates=7), run(0, candidates=7)),  # of classes
        (check(None, 4), run(0)),  # it was not read to its end
    ],
)
def test_a_sum_that_is_right(checked: SumCheck, ledger: Any) -> None:
    assert checked.fault(ledger) is None


@pytest.mark.parametrize(
    ("checked", "ledger"),
    [
        (check(Read(5, 5, 0), 4), run(4)),  # one was not handed on
        (check(Read(4, 4, 0), 4), run(3)),  # two are one in the ledger
        (check(Read(5, 4, 1), 4), run(4)),  # a piece was lost
        (check(Read(5, 4, 1), 4, unreadable=1), run(4)),  # and was not written down
        (check(Read(10, 8, 2), 3, unreadable=1, others=(4, 1)), run(3, 1)),  # in no shard
        (check(Read(9, 7, 0), 0, candidates=7), run(0, candidates=6)),
    ],
)
def test_a_sum_that_is_not_right_is_a_fault(checked: SumCheck, ledger: Any) -> None:
    words = checked.fault(ledger)
    assert words is not None
    assert words.startswith("The sum is not right: ")


def test_a_class_that_is_opened_again_hands_out_the_same() -> None:
    checked = check(Read(9, 3, 0, 6), 0)
    for rank in (0, 1, 0, 1, 2):
        checked.add_candidate("n01440764", rank)
    assert checked.candidates == 3
    assert checked.fault(run(0, candidates=3)) is None


def test_shards_count_what_they_leave_to_others() -> None:
    checked = check(Read(3, 2, 1), 1)
    checked.leave(record=True)
    checked.leave(record=False)
    assert checked.others == (1, 1)
    assert checked.fault(run(1)) is None
