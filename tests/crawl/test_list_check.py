"""A list that is plainly another dataset than the one in OUT is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.crawl.list_check import LOOKED_AT, compared
from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.items import Expects, ImageItem, Stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path


def items(host: str, ids: Iterable[int]) -> list[Any]:
    return [ImageItem(str(n), [f"http://{host}/{n}.jpg"], f"images/{n}") for n in ids]


def read(ledger: Ledger, outputs: list[Any]) -> list[Any]:
    async def stream() -> AsyncIterator[Any]:
        for output in outputs:
            yield output

    async def collect() -> list[Any]:
        return [output async for output in await compared(stream(), ledger)]

    return asyncio.run(collect())


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger that has 100 pictures of the host a."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.write(
        LedgerEntry.from_item(item, Stored("f.jpg", item.urls[0]), "2026-01-01T00:00:00Z")
        for item in items("a", range(100))
    )
    return ledger


@pytest.mark.parametrize(
    "outputs",
    [
        items("a", range(100)),
        items("b", range(100, 300)),  # other ids: more of the same dataset
        [*items("b", range(40)), *items("a", range(40, 100))],  # corrections
        [*items("b", range(60)), *items("a", range(100, 300))],  # most ids are new
        items("b", range(2)),  # so few are corrections
        [],
    ],
)
def test_a_list_that_adds_or_corrects_is_read_whole(ledger: Ledger, outputs: list[Any]) -> None:
    assert read(ledger, [Expects(1), *outputs]) == [Expects(1), *outputs]


@pytest.mark.parametrize(
    ("outputs", "n_changed"),
    [
        (items("b", range(100)), 100),
        ([*items("b", range(51)), *items("a", range(51, 100))], 51),
        (items("b", range(3)), 3),
        (items("b", range(10 * LOOKED_AT)), 100),
    ],
)
def test_another_dataset_is_refused_with_the_counts(
    ledger: Ledger, outputs: list[Any], n_changed: int
) -> None:
    if len(outputs) > LOOKED_AT:  # of a long list, its beginning tells
        ledger.write(
            LedgerEntry.from_item(item, Stored("f.jpg", item.urls[0]), "2026-01-01T00:00:00Z")
            for item in items("a", range(100, LOOKED_AT))
        )
        n_changed = LOOKED_AT
    with pytest.raises(ArgumentError, match="another dataset") as error:
        read(ledger, outputs)
    assert f"{n_changed:,} of these with other addresses" in str(error.value)
    assert "-a out=" in str(error.value)
    assert "-a changed=replace" in str(error.value)


def test_an_empty_out_takes_any_list_and_holds_nothing_of_it_back(tmp_path: Path) -> None:
    outputs = items("b", range(5))
    assert read(Ledger(tmp_path / "ledger.sqlite"), outputs) == outputs
