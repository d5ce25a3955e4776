"""Private buckets, and those whose requester pays, on moto's S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from imgcrawl.download.s3_login import S3Login
from imgcrawl.records.errors import ArgumentError
from tests.conftest import Crawler
from tests.volumes import stores, worlds

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cret-key"}
AWS = "https://{bucket}.s3.amazonaws.com/"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "us-west-2")


@pytest.mark.usefixtures("keys")
def test_only_objects_of_s3_are_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    login = S3Login(AWS)
    for url in (
        "https://b.s3.amazonaws.com/a/.zarray",
        "https://s3.amazonaws.com/b.c/a/0/0",
        "https://b.s3.eu-west-1.amazonaws.com/?list-type=2&prefix=a%2F",
    ):
        headers = login.headers(url)
        assert "/us-west-2/s3/aws4_request" in headers["Authorization"]
        assert "s3cret-key" not in str(headers)
        assert "x-amz-request-payer" not in headers
    for url in ("https://evil.org/b.s3.amazonaws.com/", "https://b.s3.amazonaws.com.evil.org/a"):
        assert login.headers(url) == {}
        assert login.kvstore(url) is None
    monkeypatch.setenv("AWS_REQUEST_PAYER", "requester")
    pays = S3Login(AWS)
    assert pays.headers("https://b.s3.amazonaws.com/a")["x-amz-request-payer"] == "requester"
    store = pays.kvstore("https://b.s3.amazonaws.com/a%20b/c/")
    assert store == {
        "driver": "s3",
        "bucket": "b",
        "path": "a b/c/",
        "aws_region": "us-west-2",
        "requester_pays": True,
        "aws_credentials": {"type": "environment"},
    }
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ArgumentError, match="needs AWS_SECRET_ACCESS_KEY in the environment"):
        S3Login(AWS)


@pytest.mark.slow
@pytest.mark.usefixtures("keys")
def test_a_private_bucket_is_copied_and_cut(tmp_path: Path) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    voxels = np.random.default_rng(4).integers(0, 999, (9, 20, 14)).astype("<u2")
    stores.write(tmp_path / "a.zarr", stores.v2(voxels.shape, (4, 8, 8), "<u2"), voxels)
    worlds.write(tmp_path / "a.zarr", {".zattrs": {"dimension_units": ["30 nm", "4 nm", "4 nm"]}})
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="mine")
        for path in (tmp_path / "a.zarr").iterdir():
            client.put_object(Bucket="mine", Key=f"a.zarr/{path.name}", Body=path.read_bytes())
        alone = Crawler(tmp_path, None)
        settings = {"S3_URL": f"{endpoint}/{{bucket}}/", "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32"}
        ask: dict[str, Any] = {"url": "s3://mine/a.zarr", "settings": settings}
        refused = alone("zarr", format="npy", out="refused", **ask)
        assert refused.status == 1, refused.log
        settings["S3_LOGIN"] = "1"
        cube = alone("zarr", format="npy", **ask)
        assert cube.status == 0, cube.log
        copied = alone("zarr", out="copy", **ask)
        assert copied.status == 0, copied.log
    finally:
        server.stop()
    (row,) = cube.out.rows()
    assert np.array_equal(np.load(cube.out.root / row["file_name"]), voxels)
    assert row["voxel_z_nm"] == "30.0"
    assert copied.out.rows()[0]["objects"] == str(2 + 3 * 3 * 2)
    for ended in (cube, copied):
        assert "s3cret-key" not in ended.log
        for path in ended.out.root.rglob("*"):
            assert not path.is_file() or b"s3cret-key" not in path.read_bytes(), path
