"""Names of files by a layout: folders that no file system suffers from."""

from __future__ import annotations

from collections import Counter

from spiders.base.url_list import laid_out


def test_a_bucket_is_one_of_4096_whatever_the_ids() -> None:
    ids = [*map(str, range(40_000)), *(f"train/cat.{n}" for n in range(20_000))]
    found = {name: laid_out("{bucket}/{id}", {"id": name}).partition("/")[0] for name in ids}
    counts = Counter(found.values())
    assert len(counts) == 4096
    # As even as a draw is: of 30 million none has 10,000, 31 standard deviations above the mean.
    mean = len(ids) / 4096
    assert max(counts.values()) < mean + 7 * mean**0.5
    assert all(laid_out("{bucket}/{id}", {"id": n}).startswith(found[n]) for n in ids[::1000])


def test_a_column_of_that_name_is_the_lists_own() -> None:
    assert laid_out("{bucket}/{id}", {"id": "1", "bucket": "a"}) == "a/1"
