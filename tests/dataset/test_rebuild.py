"""Tables made again from the ledger, and the counts that come of it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.rebuild import rebuild, rebuild_at
from imgcrawl.records.errors import OutputError
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota
from tests.dataset.entries import NOW, ids, missing, stored

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.storage.directory import OutputDirectory


def test_every_promise_that_is_not_kept_is_counted(out: OutputDirectory, ledger: Ledger) -> None:
    """A candidate of a quota is no promise: the places of its class are."""
    ledger.write_quotas([Quota("n1", wanted=5), Quota("n2", wanted=1)])
    ledger.write(
        [
            stored("a", _bytes=10),
            stored("b", _bytes=5, _quota="n1"),
            stored("c", _bytes=1, _quota="n2"),
            missing("d"),
            missing("e", Outcome.DNS),
            missing("f", quota="n1"),
        ],
        unreadable=[("line 7", "no URL", NOW)],
    )
    counts = rebuild(out)
    assert counts.outcomes == {Outcome.STORED: 3, Outcome.NOT_FOUND: 2, Outcome.DNS: 1}
    assert (counts.stored, counts.bytes) == (3, 16)
    assert counts.missing == 2 + 4 + 1  # d and e, the rest of n1, the line
    assert ids(out) == ["a", "b", "c"]
    assert ids(out, "failures.csv") == ["d", "e", "f", "line 7"]
    assert (out.root / "classes.csv").exists()


@pytest.mark.parametrize(("state", "made"), [("1", True), ("0", False), (None, False)])
def test_only_the_tables_of_a_killed_run_are_made_again(
    out: OutputDirectory, ledger: Ledger, state: str | None, made: bool
) -> None:
    ledger.write([stored("a")])
    if state is not None:
        ledger.set_state("open", state)
    assert rebuild(out, only_killed=True).stored == 1
    assert (out.root / "metadata.csv").exists() is made


def test_an_out_in_use_is_left_alone(out: OutputDirectory, ledger: Ledger) -> None:
    with pytest.raises(OutputError, match="in use"):
        rebuild_at(out.root)


def test_an_out_is_left_as_it_is_found(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with closing(Ledger(tmp_path / "out/ledger.sqlite")) as ledger:
        ledger.write([stored("a")])
    assert rebuild_at(tmp_path / "out").stored == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "failures.csv",
        "ledger.sqlite",
        "metadata.csv",
    ]
