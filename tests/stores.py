"""Object stores on this machine: moto's S3 and an emulator of Google's."""

from __future__ import annotations

import hashlib
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "pictures"


@dataclass
class Object:
    data: bytes
    content_type: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


class Store(Protocol):
    """A store with one bucket, looked at from outside."""

    url: str
    scheme: str
    settings: dict[str, Any]
    requests: list[tuple[str, str]]  # method and path, of everything that was asked of it
    refused: list[str]

    @property
    def environment(self) -> dict[str, str]: ...

    def keys(self, prefix: str = "") -> list[str]: ...
    def objects(self, prefix: str = "") -> dict[str, Object]: ...
    def put(self, key: str, data: bytes) -> None: ...
    def delete(self, key: str) -> None: ...


@dataclass
class S3:
    url: str
    requests: list[tuple[str, str]]
    refused: list[str]  # "METHOD /path": what begins so is answered with 403
    may_list: list[bool]  # [False]: what is not there is denied, as to an account that may not list
    scheme: str = "s3"
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @cached_property
    def client(self) -> Any:
        import boto3

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )

    def keys(self, prefix: str = "") -> list[str]:
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for found in listed.get("Contents", ())]

    def objects(self, prefix: str = "") -> dict[str, Object]:
        client, found = self.client, {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
            for listed in page.get("Contents", ()):
                answer = client.get_object(Bucket=BUCKET, Key=listed["Key"])
                body = answer["Body"].read()
                found[listed["Key"].removeprefix(prefix)] = Object(body, answer["ContentType"])
        return found

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=key)


@dataclass
class Google:
    url: str
    requests: list[tuple[str, str]]
    refused: list[str]  # methods that are answered with 403
    scheme: str = "gs"
    settings: dict[str, Any] = field(default_factory=lambda: {"GCS_PROJECT_ID": "test"})

    @property
    def environment(self) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": self.url}

    @cached_property
    def bucket(self) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        anyone = AnonymousCredentials()  # type: ignore[no-untyped-call] # has no types
        options = {"api_endpoint": self.url}
        client = storage.Client(project="test", credentials=anyone, client_options=options)
        return client.bucket(BUCKET)

    def keys(self, prefix: str = "") -> list[str]:
        return [blob.name for blob in self.bucket.list_blobs(prefix=prefix)]

    def objects(self, prefix: str = "") -> dict[str, Object]:
        return {
            blob.name.removeprefix(prefix): Object(blob.download_as_bytes(), blob.content_type)
            for blob in self.bucket.list_blobs(prefix=prefix)
        }

    def put(self, key: str, data: bytes) -> None:
        self.bucket.blob(key).upload_from_string(data)

    def delete(self, key: str) -> None:
        self.bucket.blob(key).delete()


@contextmanager
def running_s3() -> Iterator[S3]:
    """A fresh S3 with the bucket in it."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):
        def log_request(self, *args: Any) -> None:
            """Not to the terminal."""

    requests: list[tuple[str, str]] = []
    application = DomainDispatcherApplication(create_backend_app)

    refused: list[str] = []
    may_list = [True]

    def counting(environ: dict[str, Any], start_response: Any) -> Any:
        requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if any(
            f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}".startswith(r) for r in refused
        ):
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"<Error><Code>AccessDenied</Code><Message>No</Message></Error>"]

        def told(status: str, *rest: Any) -> Any:
            hidden = status.startswith("404") and not may_list[0]
            return start_response("403 Forbidden" if hidden else status, *rest)

        return application(environ, told)

    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=Quiet)
    with _serving(server.serve_forever, server.shutdown):
        store = S3(f"http://127.0.0.1:{server.server_port}", requests, refused, may_list)
        client = store.client
        for bucket in client.list_buckets()["Buckets"]:  # moto keeps them for the whole process
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
                for found in page.get("Contents", ()):
                    client.delete_object(Bucket=bucket["Name"], Key=found["Key"])
            client.delete_bucket(Bucket=bucket["Name"])
        client.create_bucket(Bucket=BUCKET)
        requests.clear()
        yield store
    server.server_close()


@contextmanager
def running_google() -> Iterator[Google]:
    """A fresh Google Cloud Storage with the bucket in it."""
    from gcp_storage_emulator import server as emulator
    from gcp_storage_emulator.handlers import objects

    requests: list[tuple[str, str]] = []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    dispatch = emulator.Router.handle

    refused: list[str] = []

    def counting(self: Any, method: str) -> Any:
        requests.append((method, self._request_handler.path))
        if method in refused:
            self._request_handler.send_error(HTTPStatus.FORBIDDEN)
            return None
        return dispatch(self, method)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator.Router, "handle", counting)
        patch.setattr(objects, "_multipart_upload", _conditional(objects._multipart_upload))
        server.start()
        try:
            yield Google(f"http://127.0.0.1:{port}", requests, refused)
        finally:
            server.stop()


def _conditional(upload: Any) -> Any:
    """Give an upload of the emulator the condition of Google's that it lacks, ifGenerationMatch."""
    from gcp_storage_emulator.exceptions import NotFound

    def conditional(request: Any, response: Any, storage: Any) -> None:
        bucket, name = request.params["bucket_name"], request.data["meta"]["name"]
        try:
            there = storage.get_file_obj(bucket, name)["generation"]
        except NotFound:
            there = "0"
        if request.query.get("ifGenerationMatch", [there]) == [there]:
            upload(request, response, storage)
        else:
            response.status = HTTPStatus.PRECONDITION_FAILED

    return conditional


@contextmanager
def _serving(serve: Any, stop: Any) -> Iterator[None]:
    from threading import Thread

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()
