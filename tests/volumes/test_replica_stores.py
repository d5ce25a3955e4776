"""The replica's buckets, as the clients of other people read them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from replicas.stores import (
    COSEM,
    FORBIDS,
    GROUP,
    HEMIBRAIN,
    JPEG,
    PRIVATE,
    SEGMENTATION,
    SHAPE,
    buckets,
)

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess


def get(url: str, **headers: str) -> tuple[int, bytes, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def opened(spec: dict[str, Any]) -> Any:
    import tensorstore as ts

    return ts.open(spec, open=True, read=True).result()


def test_tensorstore_reads_them_over_http(replica: ReplicaProcess) -> None:
    base = f"{replica.url}/s3/{COSEM}/{GROUP}/s0/"
    array = opened({"driver": "zarr", "kvstore": {"driver": "http", "base_url": base}})
    assert (tuple(array.shape), str(array.dtype.name)) == (SHAPE, "int16")
    assert int(array[10:20, 10:20, 10:20].read().result().std()) > 0
    group = json.loads(buckets("s3")[COSEM][f"{GROUP}/.zattrs"])["multiscales"][0]
    transforms = group["datasets"][1]["coordinateTransformations"]
    assert transforms[0]["scale"] == [5.92, 8.0, 8.0]
    assert transforms[1]["translation"] == [1.48, 2.0, 2.0]
    for path, dtype, side in ((JPEG, "uint8", 256), (SEGMENTATION, "uint64", 128)):
        place = {"driver": "http", "base_url": f"{replica.url}/gcs/{HEMIBRAIN}/{path}/"}
        volume = opened({"driver": "neuroglancer_precomputed", "kvstore": place})
        assert (volume.shape[0], str(volume.dtype.name)) == (side, dtype)
        voxels = volume[:32, :32, :, 0].read().result()
        assert voxels[..., : side // 4].any()
        assert not voxels[..., -side // 4 :].any()  # outside of the tissue


def test_boto_lists_them_page_by_page(replica: ReplicaProcess) -> None:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=f"{replica.url}/s3",
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}),
    )
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=COSEM, Prefix=f"{GROUP}/", PaginationConfig={"PageSize": 7}
    )
    keys = [each["Key"] for page in pages for each in page["Contents"]]
    assert keys == [key for key in buckets("s3")[COSEM] if key.startswith(f"{GROUP}/")]
    for size in (2, 1000):
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=COSEM, Prefix=f"{GROUP}/", Delimiter="/", PaginationConfig={"PageSize": size}
        )
        found = list(pages)
        children = [c["Prefix"] for page in found for c in page.get("CommonPrefixes", ())]
        assert children == [f"{GROUP}/s{n}/" for n in range(4)]
        names = [each["Key"] for page in found for each in page.get("Contents", ())]
        assert names == [f"{GROUP}/.zattrs", f"{GROUP}/.zgroup"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"s3/{COSEM}/none", 404, "NoSuchKey"),
        ("s3/no-bucket/?list-type=2", 404, "NoSuchBucket"),
        (f"s3/{PRIVATE}/a", 403, "AccessDenied"),
        (f"s3/{PRIVATE}/?list-type=2", 403, "AccessDenied"),
        (f"s3/{FORBIDS}/none", 403, "AccessDenied"),
        (f"s3/{FORBIDS}/?list-type=2", 403, "AccessDenied"),
        (f"s3/{COSEM}/?list-type=2&continuation-token=zz", 400, "InvalidArgument"),
    ],
)
def test_refusals(path: str, status: int, code: str, replica: ReplicaProcess) -> None:
    answered, body, _ = get(f"{replica.url}/{path}")
    assert answered == status
    assert ET.fromstring(body).findtext("Code") == code


def test_ranges_and_etags(replica: ReplicaProcess) -> None:
    import hashlib

    key = f"{GROUP}/s0/0/0/0"
    body = buckets("s3")[COSEM][key]
    url = f"{replica.url}/s3/{COSEM}/{key}"
    status, sent, headers = get(url)
    assert (status, sent) == (200, body)
    assert headers["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    status, sent, headers = get(url, Range="bytes=5-9")
    assert (status, sent) == (206, body[5:10])
    assert headers["Content-Range"] == f"bytes 5-9/{len(body)}"
    assert get(url, Range="bytes=-4")[1] == body[-4:]
    assert get(url, Range=f"bytes={len(body)}-")[0] == 416
