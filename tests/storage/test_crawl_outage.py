"""OUT in a store that throttles, fails, breaks off and is away for a while: nothing is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import until
from tests.storage.proxy import Faults, proxied
from tests.storage.test_crawl_out import PREFIX, mirrored, options, pictures_asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler
    from tests.stores import S3, Store

VARIABLE = {"s3": "AWS_ENDPOINT_URL", "gs": "STORAGE_EMULATOR_HOST"}
N = 32


@pytest.fixture
def faults(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """What fails between the crawls of this test and the store."""
    faults = Faults()
    with proxied(store, faults) as url:
        monkeypatch.setenv(VARIABLE[store.scheme], url)
        yield faults


def assert_all_is_there(crawl: Crawler, store: Store, n: int = N) -> None:
    out = mirrored(crawl, store)
    out.verify()
    assert len({row["record_id"] for row in out.rows()}) == len(out.rows()) == n
    assert not [key for key in store.keys(PREFIX) if key.endswith(".lock")]


@pytest.mark.slow
def test_throttled_failing_and_away_in_the_middle_nothing_is_lost(
    crawl: Crawler, replica: ReplicaProcess, store: Store, faults: Faults
) -> None:
    faults.share = 0.07
    settings = {"STORE_CHECKPOINT": "1", "STORE_PATIENCE": "60", "STORE_CONNECTIONS": "4"}
    process = crawl.start("isic", num_images=N, **options(crawl, store, **settings))
    until(lambda: len([key for key in store.keys(f"{PREFIX}images/") if key]) >= 8)
    faults.cut(4)
    log, _ = process.communicate(timeout=120)
    assert process.returncode == 0, log
    assert "Traceback" not in log
    if store.scheme == "s3":  # Google's library tries for longer by itself
        assert "Its files wait on this machine" in log
        assert "takes files again" in log
    assert_all_is_there(crawl, store)
    # What it costs: each picture once of its source, and of the store a few requests a second.
    assert len(pictures_asked(replica)) == N
    assert faults.failed > 2
    assert faults.while_cut < 4 * 20
    assert faults.asked < 8 * N


@pytest.mark.slow
def test_away_for_longer_the_run_ends_and_the_next_goes_on(
    crawl: Crawler, replica: ReplicaProcess, store: Store, faults: Faults
) -> None:
    kwargs = options(crawl, store, STORE_PATIENCE="2", STORE_CONNECTIONS="4")
    process = crawl.start("isic", num_images=N, **kwargs)
    until(lambda: len(store.keys(f"{PREFIX}images/")) >= 8)
    faults.is_cut = True
    log, _ = process.communicate(timeout=240)
    assert process.returncode == 1, log
    assert "Traceback" not in log
    assert "kept on this machine" in log
    asked = pictures_asked(replica)
    faults.is_cut = False
    replica.reset()
    ended = crawl("isic", num_images=N, **kwargs)
    assert ended.status == 0, ended.log
    assert_all_is_there(crawl, store)
    # Files that waited here are not asked of their source again, but for those of no row yet.
    assert len(pictures_asked(replica)) <= N - len(asked) + 4


@pytest.mark.slow
def test_cut_off_while_another_machine_takes_over_and_back(
    crawl: Crawler, replica: ReplicaProcess, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica.faults([{"match": "^/isic-s3/images/", "kind": "latency", "ms": 100}])
    stale = {"STORE_CHECKPOINT": "0.5", "STORE_LOCK_STALE": "3", "STORE_PATIENCE": "60"}
    faults = Faults()
    with proxied(s3, faults) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        cut_off = crawl.start("isic", num_images=96, **options(crawl, s3, "a", **stale))
        until(lambda: s3.keys(f"{PREFIX}ledger.sqlite"))
        replica.until_asked("/isic-s3/images/", 24)
        faults.is_cut = True
        replica.faults([])
        time.sleep(3.1)
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        ended = crawl("isic", num_images=96, **options(crawl, s3, "b", **stale))
        assert ended.status == 0, ended.log
        held = {key: found.data for key, found in s3.objects(PREFIX).items()}
        faults.is_cut = False
        log, _ = cut_off.communicate(timeout=120)
    assert cut_off.returncode == 1, log
    assert "Traceback" not in log
    assert {key: found.data for key, found in s3.objects(PREFIX).items()} == held
    assert_all_is_there(crawl, s3, 96)
