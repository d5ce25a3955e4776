"""S3, and stores that speak its protocol: MinIO, R2, Ceph and others."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import IO, TYPE_CHECKING, Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

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

logger = logging.getLogger(__name__)

_GONE = {"404", "NoSuchKey", "NotFound"}
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_NOT_CONDITIONAL = {"NotImplemented", "501"}
_UNKNOWN_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"}
_FORBIDDEN = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"}
_PASSING = {"SlowDown", "Throttling", "ThrottlingException", "RequestTimeout"}
_KEYS = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a store that is not "
    "Amazon's, AWS_ENDPOINT_URL too."
)


class S3Storage(Storage):
    """A `Storage` by boto3; the version of a file is its ETag.

    Scrapy's settings AWS_* count first; where they are not set, botocore looks where it always
    does: the environment, ~/.aws, the machine's role.

    acl:           a canned ACL, such as public-read, for every file that is put
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
        self._options = {"ACL": acl} if acl else {}
        if cache_control:
            self._options["CacheControl"] = cache_control
        connections = int(settings.get("STORE_CONNECTIONS") or 8) + 2
        config = Config(
            retries={"mode": "standard", "max_attempts": 5},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=int(settings.get("AWS_MAX_POOL_CONNECTIONS") or connections),
        )
        # One thread a file: several files are uploaded at once.
        self._transfer = TransferConfig(
            multipart_threshold=PART, multipart_chunksize=PART, use_threads=False
        )
        with self._translated_errors():
            self._client = boto3.session.Session().client(
                "s3",
                config=config,
                endpoint_url=settings.get("AWS_ENDPOINT_URL"),
                region_name=settings.get("AWS_REGION_NAME"),
                aws_access_key_id=settings.get("AWS_ACCESS_KEY_ID"),
                aws_secret_access_key=settings.get("AWS_SECRET_ACCESS_KEY"),
                aws_session_token=settings.get("AWS_SESSION_TOKEN"),
                use_ssl=settings.get("AWS_USE_SSL"),
                verify=settings.get("AWS_VERIFY"),
            )

    def __str__(self) -> str:
        return str(self._address)

    def put(
        self, source: bytes | Path, name: str, metadata: Mapping[str, str] = NO_METADATA
    ) -> None:
        """Store bytes or a file; a long file by a multipart upload, invisible until complete."""
        place = self._writable(name)
        kind = content_type(source, name)
        options = {**self._options, "ContentType": kind, "Metadata": dict(metadata)}
        with self._translated_errors():
            if isinstance(source, bytes):
                self._client.put_object(**place, Body=source, **options)
            else:
                self._client.upload_file(
                    str(source),
                    place["Bucket"],
                    place["Key"],
                    ExtraArgs=options,
                    Config=self._transfer,
                )

    def write(self, name: str, source: bytes | Path, expected: str | None) -> str:
        """Store bytes or a file if it has the expected ETag, and return its new one.

        In one request: S3 takes 5 GiB so.
        """
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        place = {**self._writable(name), "ContentType": content_type(source, name)}
        with self._translated_errors(), _opened(source) as body:
            if self.is_conditional:
                try:
                    answer = self._client.put_object(**place, Body=body, **condition)
                    return str(answer["ETag"])
                except ClientError as error:
                    self._require_unconditional(name, error)
                    _rewind(body)
            answer = self._client.put_object(**place, Body=body)
            return str(answer["ETag"])

    def _require_unconditional(self, name: str, error: ClientError) -> None:
        """Raise an error of a conditional request, unless it is that the store knows none."""
        if _code(error) in _CONFLICT | _GONE:
            raise ConflictError(name) from error
        if _code(error) not in _NOT_CONDITIONAL:
            raise error
        self.is_conditional = False
        logger.warning(
            "%s knows no conditional requests: of two runs that write it at the same moment, one "
            "may overwrite what the other has written. Do not start a second one.",
            self._address,
        )

    def read(self, name: str) -> StoredObject | None:
        """Return a small file whole, or None if there is none."""
        with self._translated_errors():
            try:
                answer = self._client.get_object(**self._at(name))
            except ClientError as error:
                if _code(error) in _GONE:
                    return None
                raise
            return StoredObject(answer["Body"].read(), answer["ETag"], answer["LastModified"])

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file to be read from its beginning, as it is downloaded."""
        with self._translated_errors():
            answer = self._answer(name)
            body: Any = answer["Body"]
            with closing(body):
                yield body

    def get(self, name: str, file: Path, expected: str | None = None) -> dict[str, str]:
        """Download a file, and return the metadata that was put with it."""
        with self._translated_errors():
            answer = self._answer(name)
            if expected not in {None, answer["ETag"]}:
                answer["Body"].close()
                raise ConflictError(name)
            with file.open("wb") as sink:
                for piece in answer["Body"].iter_chunks(1 << 20):
                    sink.write(piece)
            return dict(answer["Metadata"])

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, or None if there is none."""
        head = self._head(name)
        return None if head is None else int(head["ContentLength"])

    def version(self, name: str) -> str | None:
        """Return the ETag of a file, or None if there is none."""
        head = self._head(name)
        return None if head is None else str(head["ETag"])

    def remove(self, name: str, expected: str | None = None) -> None:
        """Remove a file, if there is one, and of the expected ETag if one is given."""
        with self._translated_errors():
            if expected is not None and self.is_conditional:
                try:
                    self._client.delete_object(**self._at(name), IfMatch=expected)
                    return
                except ClientError as error:
                    self._require_unconditional(name, error)
            self._client.delete_object(**self._at(name))

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Yield (name, size in bytes) of every file whose name begins with `prefix`."""
        above = self._address.prefix
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._address.bucket,
            Prefix=above + prefix,
            PaginationConfig={"PageSize": LIST_PAGE},
        )
        with self._translated_errors():
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(above), int(found["Size"])

    def _answer(self, name: str) -> Mapping[str, Any]:
        try:
            return dict(self._client.get_object(**self._at(name)))
        except ClientError as error:
            if _code(error) in _GONE:
                raise StoreError(f"{self._address}: {name} is gone") from error
            raise

    def _head(self, name: str) -> dict[str, Any] | None:
        with self._translated_errors():
            try:
                return dict(self._client.head_object(**self._at(name)))
            except ClientError as error:
                if _code(error) in _GONE:
                    return None
                raise

    def _writable(self, name: str) -> dict[str, Any]:
        require_name(name)
        return self._at(name)

    def _at(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._address.bucket, "Key": f"{self._address.prefix}{name}"}

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn an error of the library into a StoreError that says what to do."""
        try:
            yield
        except ProfileNotFound as error:
            raise StoreError(f"{self._address}: {error}. {_KEYS}", hopeless=True) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            words = f"{self._address}: there are no credentials for it. {_KEYS}"
            raise StoreError(words, hopeless=True) from error
        except ClientError as error:
            raise _store_error(self._address, error) from error
        except (BotoCoreError, Boto3Error) as error:
            cause = error.__cause__ or error.__context__
            if isinstance(cause, ClientError):  # boto3 wraps the answer that stopped an upload
                raise _store_error(self._address, cause) from error
            words = f"{self._address} cannot be reached: {error}"
            raise StoreError(words, passing=True) from error


def _opened(source: bytes | Path) -> AbstractContextManager[bytes | IO[bytes]]:
    return nullcontext(source) if isinstance(source, bytes) else source.open("rb")


def _rewind(body: bytes | IO[bytes]) -> None:
    if not isinstance(body, bytes):
        body.seek(0)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _store_error(address: BucketAddress, error: ClientError) -> StoreError:
    code = _code(error)
    if code == "NoSuchBucket":
        words = f"{address}: there is no bucket {address.bucket!r}. Make it, or correct its name."
    elif code in _UNKNOWN_KEYS:
        words = f"{address}: the credentials are not accepted ({code}). {_KEYS}"
    elif code in _FORBIDDEN:
        words = (
            f"{address}: access is denied ({code}). The account needs s3:ListBucket on the bucket, "
            "and s3:GetObject, s3:PutObject and s3:DeleteObject below the prefix."
        )
        return StoreError(words, hopeless=True, denied=True)
    else:
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        passing = code in _PASSING or status == 429 or status >= 500
        return StoreError(f"{address}: {error}", passing=passing)
    return StoreError(words, hopeless=True)
