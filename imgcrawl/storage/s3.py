"""S3, and what speaks its protocol: MinIO, R2, Ceph and others."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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
from imgcrawl.storage.base import LIST_PAGE, PART, ConflictError, SmallObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imgcrawl.storage.address import BucketAddress

_GONE = {"404", "NoSuchKey", "NotFound"}
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_NOT_CONDITIONAL = {"NotImplemented", "501"}
_UNKNOWN_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"}
_FORBIDDEN = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"}
_KEYS = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a store that is not "
    "Amazon's, AWS_ENDPOINT_URL too."
)


class S3Store:
    """An `ObjectStore` by boto3.

    Scrapy's settings AWS_* count first; where they are not set, botocore looks where it always
    does: the environment, ~/.aws, the machine's role.
    """

    def __init__(self, address: BucketAddress, settings: Mapping[str, Any]) -> None:
        self.address = address
        config = Config(
            retries={"mode": "standard", "max_attempts": 5},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=int(settings.get("STORE_CONNECTIONS") or 8) + 2,
        )
        # One thread a file: several files go at once.
        self._transfer = TransferConfig(
            multipart_threshold=PART, multipart_chunksize=PART, use_threads=False
        )
        with self._in_words():
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

    def list(self) -> Iterator[tuple[str, int]]:
        """(key, bytes) of every object, page by page."""
        prefix = self.address.prefix
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.address.bucket, Prefix=prefix, PaginationConfig={"PageSize": LIST_PAGE}
        )
        with self._in_words():
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(prefix), int(found["Size"])

    def read(self, key: str) -> SmallObject | None:
        """A small object whole; None where there is none."""
        with self._in_words():
            try:
                answer = self._client.get_object(**self._at(key))
            except ClientError as error:
                if _code(error) in _GONE:
                    return None
                raise
            return SmallObject(answer["Body"].read(), answer["ETag"], answer["LastModified"])

    def write(self, key: str, data: bytes, content_type: str, expected: str | None) -> str:
        """Write a small object if it has the expected version; its new one."""
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        place = {**self._at(key), "Body": data, "ContentType": content_type}
        with self._in_words():
            try:
                answer = self._client.put_object(**place, **condition)
            except ClientError as error:
                if _code(error) in _CONFLICT | _GONE:
                    raise ConflictError(key) from error
                if _code(error) not in _NOT_CONDITIONAL:
                    raise
                answer = self._client.put_object(**place)  # the caller reads it once more
            return str(answer["ETag"])

    def put(self, file: Path, key: str, content_type: str, facts: Mapping[str, str]) -> None:
        """Put a file: by multipart upload where it is long, which nobody sees until it is whole."""
        extra = {"ContentType": content_type, "Metadata": dict(facts)}
        place = self._at(key)
        with self._in_words():
            self._client.upload_file(
                str(file), place["Bucket"], place["Key"], ExtraArgs=extra, Config=self._transfer
            )

    def get(self, key: str, file: Path) -> dict[str, str]:
        """Fetch an object into a file; the facts that were put with it."""
        with self._in_words():
            answer = self._client.get_object(**self._at(key))
            with file.open("wb") as sink:
                for piece in answer["Body"].iter_chunks(1 << 20):
                    sink.write(piece)
            return dict(answer["Metadata"])

    def version(self, key: str) -> str | None:
        """The ETag of an object; None where there is none."""
        with self._in_words():
            try:
                return str(self._client.head_object(**self._at(key))["ETag"])
            except ClientError as error:
                if _code(error) in _GONE:
                    return None
                raise

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        with self._in_words():
            self._client.delete_object(**self._at(key))

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.address.bucket, "Key": f"{self.address.prefix}{key}"}

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turn what the library raises into a StoreError that says what to do."""
        try:
            yield
        except ProfileNotFound as error:
            raise StoreError(f"{self.address}: {error}. {_KEYS}", hopeless=True) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            words = f"{self.address}: there are no credentials for it. {_KEYS}"
            raise StoreError(words, hopeless=True) from error
        except ClientError as error:
            raise _said(self.address, error) from error
        except (BotoCoreError, Boto3Error) as error:
            cause = error.__cause__ or error.__context__
            if isinstance(cause, ClientError):  # boto3 wraps what an upload met
                raise _said(self.address, cause) from error
            raise StoreError(f"{self.address} cannot be reached: {error}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _said(address: BucketAddress, error: ClientError) -> StoreError:
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
    else:
        return StoreError(f"{address}: {error}")
    return StoreError(words, hopeless=True)
