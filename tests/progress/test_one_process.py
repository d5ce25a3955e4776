"""A large crawl that takes all of one core is told what takes more of them."""

from __future__ import annotations

from time import monotonic, thread_time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.exceptions import NotConfigured
from scrapy.settings import Settings

from imgcrawl.progress import one_process
from imgcrawl.progress.one_process import OneProcessLimit
from imgcrawl.records.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

GIVEN = {"list": "my urls.csv", "out": "data/mine", "label": "a&b"}
SPIDER = SimpleNamespace(name="urls", arguments_given=GIVEN)


class Looping:
    """A loop that is only stopped."""

    running = True

    def stop(self) -> None:
        self.running = False


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., OneProcessLimit]:
    """An extension that looks after a minute of which its thread was busy for `seconds`."""

    def look(seconds: float, counts: Counts) -> OneProcessLimit:
        monkeypatch.setattr(one_process, "usable_cores", lambda: 8)
        connect = SimpleNamespace(connect=lambda *_, **__: None)
        crawler: Any = SimpleNamespace(
            settings=Settings({"PROGRESS_FD": None}), signals=connect, spider=SPIDER
        )
        limit = OneProcessLimit(crawler)
        limit._run = SimpleNamespace(counts=counts)  # type: ignore[assignment]
        limit._loop = Looping()  # type: ignore[assignment]
        limit._before = monotonic() - 60, thread_time() - seconds
        limit.look()
        return limit

    return look


@pytest.mark.parametrize(
    ("seconds", "counts", "said"),
    [
        (58, Counts(expected=1_000_000), True),
        (58, Counts(unchanged=150_000), True),  # of a list nobody knows how long it is
        (58, Counts(expected=99_000), False),
        (40, Counts(expected=1_000_000), False),  # it waits for its hosts
    ],
)
def test_it_is_said_once_of_a_large_crawl_that_waits_for_nothing(
    looked: Callable[..., OneProcessLimit],
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    counts: Counts,
    said: bool,
) -> None:
    limit = looked(seconds, counts)
    assert ("One process is the limit" in caplog.text) is said
    assert limit._loop.running is not said
    typed = "scrapy shards urls -a 'list=my urls.csv' -a 'label=a&b' -a out=DIR"
    assert (typed in caplog.text) is said


def test_one_of_several_crawls_says_nothing() -> None:
    crawler: Any = SimpleNamespace(settings=Settings({"PROGRESS_FD": 7}))
    with pytest.raises(NotConfigured):
        OneProcessLimit(crawler)
