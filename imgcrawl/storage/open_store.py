"""Open the store that an address names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgcrawl.storage.address import BucketAddress
    from imgcrawl.storage.base import ObjectStore


def open_store(address: BucketAddress, settings: Mapping[str, Any]) -> ObjectStore:
    """The store at an address. Raises StoreError where it cannot be used at all.

    settings: Scrapy's; where they say nothing, the environment does as the libraries have it
    """
    # Each library takes a second and tens of megabytes to load.
    if address.scheme == "s3":
        from imgcrawl.storage.s3 import S3Store  # noqa: PLC0415

        return S3Store(address, settings)
    from imgcrawl.storage.gcs import GoogleStore  # noqa: PLC0415

    return GoogleStore(address, settings)
