"""Addresses of object stores: ``s3://bucket/prefix`` and ``gs://bucket/prefix``."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SCHEMES = ("s3", "gs")
# Addresses of stores that are not the provider's own: two may have buckets of the same name.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "STORAGE_EMULATOR_HOST")
_BUCKET = r"[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]"


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A place in a bucket. `prefix` ends with a slash, or is empty for the whole bucket."""

    scheme: str
    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")

    @classmethod
    def of(cls, text: str) -> BucketAddress:
        """Return the address that a text is. Raises ArgumentError, which says what to type."""
        scheme, _, rest = text.partition("://")
        bucket, _, prefix = rest.partition("/")
        example = f"such as {scheme if scheme in SCHEMES else 's3'}://bucket/prefix"
        if scheme not in SCHEMES:
            raise ArgumentError(
                f"{text}: datasets go to a folder, s3:// or gs://; type a folder or an address "
                f"{example}"
            )
        if not re.fullmatch(_BUCKET, bucket):
            raise ArgumentError(
                f"{text}: {bucket!r} is no name of a bucket; type an address {example}"
            )
        parts = prefix.rstrip("/").split("/")
        odd = any(part in {"", ".", ".."} for part in parts) or not prefix.isprintable()
        if prefix.strip("/") and odd:
            raise ArgumentError(f"{text}: {prefix!r} is no prefix; type an address {example}")
        return cls(scheme, bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "")


def is_address(text: str) -> bool:
    """Return whether a text looks like an address, well-formed or not, and not like a folder."""
    return re.match(r"(?:[A-Za-z][\w+.-]*://|(?:s3|gs):/)", text) is not None


def settings_of_out(out: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of an OUT: a folder, or a store and a folder that stands for it.

    Raises ArgumentError.
    """
    if not is_address(out):
        return {"OUT": out}
    address = BucketAddress.of(out)
    if settings["IMAGES_STORE"] or settings["FILES_STORE"]:
        raise ArgumentError(
            f"out={out} puts everything into the store: leave out IMAGES_STORE and FILES_STORE, "
            "or give a folder with -a out=DIR for what is not in them."
        )
    return {"OUT": str(scratch_of(address, settings)), "OUT_STORE": str(address)}


def scratch_of(address: BucketAddress, settings: Mapping[str, Any]) -> Path:
    """Return the folder of this machine that replaces an OUT in a store during a run."""
    endpoint = next((e for n in _ENDPOINTS if (e := settings.get(n) or os.environ.get(n))), "")
    digest = hashlib.sha256(f"{endpoint} {address}".encode()).hexdigest()[:12]
    return scratch_dir(settings) / f"{address.scheme}-{address.bucket}-{digest}"


def scratch_dir(settings: Mapping[str, Any]) -> Path:
    """Return SCRATCH_DIR, or imgcrawl's folder among the user's caches."""
    if given := settings.get("SCRATCH_DIR"):
        return Path(given).expanduser().absolute()
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache).absolute() / "imgcrawl"
    try:
        return Path.home() / ".cache" / "imgcrawl"
    except RuntimeError:  # an account without a home, as in some containers
        return Path(tempfile.gettempdir()) / f"imgcrawl-{os.getuid()}"
