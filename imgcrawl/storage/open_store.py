"""Which storage a setting or an address names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.extras import require_extra
from imgcrawl.storage.address import SCHEMES, BucketAddress
from imgcrawl.storage.directory import OutputDirectory
from imgcrawl.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgcrawl.storage.base import Storage

_CACHE_CONTROL = "max-age=172800"  # seconds; as Scrapy's own stores have it


def open_bucket(address: BucketAddress, settings: Mapping[str, Any], **options: Any) -> Storage:
    """Return the storage below an address.

    settings: Scrapy's; where they are not set, the environment counts as the libraries have it
    options:  `acl` and `cache_control` of the files that are put
    Raises ArgumentError if its library is not installed, StoreError if it cannot be used at all.
    """
    # Each library takes a second and tens of megabytes to load, and belongs to an extra.
    if address.scheme == "s3":
        require_extra("s3")
        from imgcrawl.storage.s3 import S3Storage  # noqa: PLC0415

        return S3Storage(address, settings, **options)
    require_extra("gcs")
    from imgcrawl.storage.gcs import GcsStorage  # noqa: PLC0415

    return GcsStorage(address, settings, **options)


def media_storage(setting: str, settings: Mapping[str, Any]) -> Storage:
    """Return the storage of pictures or files: the one that a setting names, or OUT.

    setting: IMAGES_STORE or FILES_STORE; those with _S3_ACL or _GCS_ACL behind say who may read
    Raises ArgumentError for an address that is not one, and StoreError.
    """
    place = str(settings[setting] or settings["OUT"])
    scheme, separator, rest = place.partition("://")
    if not separator or scheme == "file":
        folder = rest if separator else place
        return LocalStorage(folder, OutputDirectory.partial_of(settings["OUT"]))
    if scheme in SCHEMES:
        bucket, _, prefix = rest.partition("/")
        acl = settings.get(f"{setting}_{'S3' if scheme == 's3' else 'GCS'}_ACL") or None
        # As Scrapy has it, the prefix is put before the names as it stands, with a slash or not.
        address = BucketAddress(scheme, bucket, prefix)
        return open_bucket(address, settings, acl=acl, cache_control=_CACHE_CONTROL)
    if scheme == "ftp":
        from imgcrawl.storage.ftp import FtpStorage  # noqa: PLC0415 - few have one

        return FtpStorage(place, settings)
    raise ArgumentError(f"{setting}={place}: files go to a folder, s3:// or gs://")
