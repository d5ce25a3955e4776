"""Google Cloud Storage."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import requests
from google.api_core.exceptions import (
    ClientError,
    Forbidden,
    GoogleAPIError,
    NotFound,
    PreconditionFailed,
    TooManyRequests,
    Unauthorized,
)
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from imgcrawl.records.errors import StoreError
from imgcrawl.storage.base import (
    LIST_PAGE,
    NO_METADATA,
    PART,
    ConflictError,
    Storage,
    StoredObject,
    require_name,
)
from imgcrawl.storage.content_type import content_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imgcrawl.storage.address import BucketAddress

_TIMEOUT = 60  # seconds
# What is out for longer than its own tries take is waited for by `StoreTrouble`.
_PATIENT: Any = {"timeout": _TIMEOUT, "retry": DEFAULT_RETRY.with_timeout(20)}
_KEYS = (
    "Set GOOGLE_APPLICATION_CREDENTIALS to a key file, or type: "
    "gcloud auth application-default login"
)


class GcsStorage(Storage):
    """A `Storage` by google-cloud-storage; the version of a file is its generation.

    Credentials come from where the library looks for them. Only the project may be a setting,
    GCS_PROJECT_ID as Scrapy has it.

    acl:           a predefined ACL, such as publicRead, for every file that is put
    cache_control: the Cache-Control of every file that is put
    """

    is_local = False

    def __init__(
        self,
        address: BucketAddress,
        settings: Mapping[str, Any],
        acl: str | None = None,
        cache_control: str | None = None,
    ) -> None:
        self._address = address
        self._acl, self._cache_control = acl, cache_control
        with self._translated_errors():
            self._client = storage.Client(project=settings.get("GCS_PROJECT_ID"))
        connections = int(settings.get("STORE_CONNECTIONS") or 8) + 2
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=connections)
        scheme = os.environ.get("STORAGE_EMULATOR_HOST", "https://").partition("://")[0]
        self._client._http.mount(f"{scheme}://", adapter)  # its own keeps ten at most
        self._bucket = self._client.bucket(address.bucket)

    def __str__(self) -> str:
        return str(self._address)

    def put(
        self, source: bytes | Path, name: str, metadata: Mapping[str, str] = NO_METADATA
    ) -> None:
        """Store bytes or a file: in one request, or a long file in parts."""
        blob = self._new_blob(source, name)
        blob.metadata = dict(metadata) or None
        if self._cache_control:
            blob.cache_control = self._cache_control
        with self._translated_errors():
            # The same bytes under the same name: a second try can do no harm.
            _upload(blob, source, name, predefined_acl=self._acl)

    def write(self, name: str, source: bytes | Path, expected: str | None) -> str:
        """Store bytes or a file if it has the expected generation, and return its new one."""
        blob = self._new_blob(source, name)
        with self._translated_errors():
            try:
                _upload(blob, source, name, if_generation_match=int(expected or 0))
            except PreconditionFailed as error:
                raise ConflictError(name) from error
            return str(blob.generation)

    def read(self, name: str) -> StoredObject | None:
        """Return a small file whole, or None if there is none."""
        with self._translated_errors():
            blob = self._found(name)
            if blob is None:
                return None
            # A download changes the blob's own properties.
            version, changed_at = str(blob.generation), blob.updated
            return StoredObject(blob.download_as_bytes(**_PATIENT), version, changed_at)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file to be read from its beginning, as it is downloaded."""
        with (
            self._translated_errors(),
            self._required(name).open("rb", chunk_size=PART, **_PATIENT) as file,
        ):
            yield file

    def get(self, name: str, file: Path, expected: str | None = None) -> dict[str, str]:
        """Download a file, and return the metadata that was put with it."""
        with self._translated_errors():
            blob = self._required(name)  # and of this generation alone
            if expected not in {None, str(blob.generation)}:
                raise ConflictError(name)
            metadata = dict(blob.metadata or {})
            try:
                blob.download_to_filename(str(file), **_PATIENT)
            except NotFound as error:  # another has been put in its place since
                raise ConflictError(name) from error
            return metadata

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, or None if there is none."""
        with self._translated_errors():
            blob = self._found(name)
            return int(blob.size or 0) if blob is not None else None

    def version(self, name: str) -> str | None:
        """Return the generation of a file, or None if there is none."""
        with self._translated_errors():
            blob = self._found(name)
            return str(blob.generation) if blob is not None else None

    def remove(self, name: str, expected: str | None = None) -> None:
        """Remove a file, if there is one, and of the expected generation if one is given."""
        generation = int(expected) if expected else None
        with self._translated_errors():
            try:
                self._blob(name).delete(**_PATIENT, if_generation_match=generation)
            except NotFound as error:
                if generation is not None:
                    raise ConflictError(name) from error
            except PreconditionFailed as error:
                raise ConflictError(name) from error

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Yield (name, size in bytes) of every file whose name begins with `prefix`."""
        above = self._address.prefix
        with self._translated_errors():
            for blob in self._client.list_blobs(
                self._bucket,
                prefix=above + prefix,
                page_size=LIST_PAGE,
                fields="items(name,size),nextPageToken",
                **_PATIENT,
            ):
                yield blob.name.removeprefix(above), int(blob.size or 0)

    def _new_blob(self, source: bytes | Path, name: str) -> Any:
        """Return a blob to upload to, in parts if it is long. Raises ValueError for its name."""
        require_name(name)
        in_parts = not isinstance(source, bytes) and source.stat().st_size > PART
        return self._blob(name, chunk_size=PART if in_parts else None)

    def _blob(self, name: str, **kwargs: Any) -> Any:
        return self._bucket.blob(f"{self._address.prefix}{name}", **kwargs)

    def _required(self, name: str) -> Any:
        blob = self._found(name)
        if blob is None:
            raise StoreError(f"{self._address}: {name} is gone")
        return blob

    def _found(self, name: str) -> Any:
        """Return the blob of a name with its properties, or None if there is none."""
        return self._bucket.get_blob(f"{self._address.prefix}{name}", **_PATIENT)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn an error of the library into a StoreError that says what to do."""
        try:
            yield
        except DefaultCredentialsError as error:
            words = f"{self._address}: there are no credentials for it. {_KEYS}"
            raise StoreError(words, hopeless=True) from error
        except NotFound as error:
            bucket = self._address.bucket
            words = f"{self._address}: there is no bucket {bucket!r}. Make it, or correct its name."
            raise StoreError(words, hopeless=True) from error
        except Unauthorized as error:
            words = f"{self._address}: the credentials are not accepted. {_KEYS}"
            raise StoreError(words, hopeless=True) from error
        except Forbidden as error:
            words = (
                f"{self._address}: access is denied. The account needs the role Storage Object "
                "Admin (roles/storage.objectAdmin) on the bucket."
            )
            raise StoreError(words, hopeless=True, denied=True) from error
        except (GoogleAPIError, GoogleAuthError, requests.RequestException) as error:
            # Whatever the client did wrong it would do again, but for too many requests.
            passing = not isinstance(error, ClientError) or isinstance(error, TooManyRequests)
            words = f"{self._address} cannot be reached: {error}"
            raise StoreError(words, passing=passing) from error


def _upload(blob: Any, source: bytes | Path, name: str, **options: Any) -> None:
    options |= {
        "content_type": content_type(source, name),
        **_PATIENT,
    }
    if isinstance(source, bytes):
        blob.upload_from_string(source, **options)
    else:
        blob.upload_from_filename(str(source), **options)
