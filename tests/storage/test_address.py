"""Addresses of buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.records.errors import ArgumentError
from imgcrawl.storage.address import BucketAddress, is_address


@given(st.text(max_size=40), st.sampled_from(["s3://", "gs://", "s3:/", ""]))
def test_an_address_is_well_formed_or_refused(text: str, scheme: str) -> None:
    try:
        parsed = BucketAddress.of(scheme + text)
    except ArgumentError as error:
        words = str(error)
        assert "bucket/prefix" in words
        return
    assert is_address(scheme + text)
    assert BucketAddress.of(str(parsed)) == parsed
    assert parsed.prefix == "" or parsed.prefix.endswith("/")
    assert not {"..", "."} & set(parsed.prefix.split("/"))
