"""The listing of a store."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.storage.listing import Listing


@given(st.dictionaries(st.text(max_size=6), st.integers(0, 99), max_size=8))
def test_a_listing_knows_what_it_was_given(objects: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        listing = Listing(Path(folder) / "listing.sqlite")
        assert listing.fill(objects.items()) >= 0
        for key, size in objects.items():
            below = sum(s for k, s in objects.items() if k.startswith(f"{key}/") and k != f"{key}/")
            assert listing.size(key) == size + below
            assert key in listing.of_record(key)
        for key in objects:
            listing.remove(key)
        assert all(listing.size(key) is None for key in objects)
        listing.close()
