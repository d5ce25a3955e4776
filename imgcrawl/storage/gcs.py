"""Google Cloud Storage."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from google.api_core.exceptions import (
    Forbidden,
    GoogleAPIError,
    NotFound,
    PreconditionFailed,
    Unauthorized,
)
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from imgcrawl.records.errors import StoreError
from imgcrawl.storage.base import LIST_PAGE, PART, ConflictError, SmallObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imgcrawl.storage.address import BucketAddress

_TIMEOUT = 60  # seconds
_KEYS = (
    "Set GOOGLE_APPLICATION_CREDENTIALS to a key file, or type: "
    "gcloud auth application-default login"
)


class GoogleStore:
    """An `ObjectStore` by google-cloud-storage, with credentials from where it looks for them.

    Only the project may be a setting, GCS_PROJECT_ID as Scrapy has it.
    """

    def __init__(self, address: BucketAddress, settings: Mapping[str, Any]) -> None:
        self.address = address
        with self._in_words():
            self._client = storage.Client(project=settings.get("GCS_PROJECT_ID"))
        connections = int(settings.get("STORE_CONNECTIONS") or 8) + 2
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=connections)
        scheme = os.environ.get("STORAGE_EMULATOR_HOST", "https://").partition("://")[0]
        self._client._http.mount(f"{scheme}://", adapter)  # its own keeps ten at most
        self._bucket = self._client.bucket(address.bucket)

    def list(self) -> Iterator[tuple[str, int]]:
        """(key, bytes) of every object, page by page."""
        prefix = self.address.prefix
        with self._in_words():
            for blob in self._client.list_blobs(
                self._bucket,
                prefix=prefix,
                page_size=LIST_PAGE,
                fields="items(name,size),nextPageToken",
                timeout=_TIMEOUT,
            ):
                yield blob.name.removeprefix(prefix), int(blob.size or 0)

    def read(self, key: str) -> SmallObject | None:
        """A small object whole; None where there is none."""
        with self._in_words():
            blob = self._client_get(key)
            if blob is None:
                return None
            # A download changes what the blob says of itself.
            version, changed_at = str(blob.generation), blob.updated
            return SmallObject(blob.download_as_bytes(timeout=_TIMEOUT), version, changed_at)

    def write(self, key: str, data: bytes, content_type: str, expected: str | None) -> str:
        """Write a small object if it has the expected generation; its new one."""
        blob = self._blob(key)
        with self._in_words():
            try:
                blob.upload_from_string(
                    data,
                    content_type=content_type,
                    if_generation_match=int(expected or 0),
                    timeout=_TIMEOUT,
                    retry=DEFAULT_RETRY,
                )
            except PreconditionFailed as error:
                raise ConflictError(key) from error
            return str(blob.generation)

    def put(self, file: Path, key: str, content_type: str, facts: Mapping[str, str]) -> None:
        """Put a file: in one request, or in parts where it is long."""
        blob = self._blob(key, chunk_size=PART if file.stat().st_size > PART else None)
        blob.metadata = dict(facts) or None
        with self._in_words():
            # The same bytes under the same name: a second try can do no harm.
            blob.upload_from_filename(
                str(file), content_type=content_type, timeout=_TIMEOUT, retry=DEFAULT_RETRY
            )

    def get(self, key: str, file: Path) -> dict[str, str]:
        """Fetch an object into a file; the facts that were put with it."""
        with self._in_words():
            blob = self._client_get(key)
            if blob is None:
                raise StoreError(f"{self.address}: {key} is gone")
            facts = dict(blob.metadata or {})
            blob.download_to_filename(str(file), timeout=_TIMEOUT)
            return facts

    def version(self, key: str) -> str | None:
        """The generation of an object; None where there is none."""
        with self._in_words():
            blob = self._client_get(key)
            return str(blob.generation) if blob is not None else None

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        with self._in_words():
            try:
                self._blob(key).delete(timeout=_TIMEOUT)
            except NotFound:
                return

    def _blob(self, key: str, **kwargs: Any) -> Any:
        return self._bucket.blob(f"{self.address.prefix}{key}", **kwargs)

    def _client_get(self, key: str) -> Any:
        return self._bucket.get_blob(f"{self.address.prefix}{key}", timeout=_TIMEOUT)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turn what the library raises into a StoreError that says what to do."""
        try:
            yield
        except DefaultCredentialsError as error:
            words = f"{self.address}: there are no credentials for it. {_KEYS}"
            raise StoreError(words, hopeless=True) from error
        except NotFound as error:
            bucket = self.address.bucket
            words = f"{self.address}: there is no bucket {bucket!r}. Make it, or correct its name."
            raise StoreError(words, hopeless=True) from error
        except Unauthorized as error:
            words = f"{self.address}: the credentials are not accepted. {_KEYS}"
            raise StoreError(words, hopeless=True) from error
        except Forbidden as error:
            words = (
                f"{self.address}: access is denied. The account needs the role Storage Object "
                "Admin (roles/storage.objectAdmin) on the bucket."
            )
            raise StoreError(words, hopeless=True) from error
        except (GoogleAPIError, GoogleAuthError, requests.RequestException) as error:
            raise StoreError(f"{self.address} cannot be reached: {error}") from error
