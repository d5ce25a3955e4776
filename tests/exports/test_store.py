"""The commands that make something of a dataset, on one in an object store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.conftest import scrapy
from tests.exports.conftest import fill
from tests.stores import BUCKET, running_s3

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_they_read_a_bucket_and_leave_their_files_there(tmp_path: Path) -> None:
    import boto3

    out = fill(tmp_path / "out", [(f"r{n}", {"label": "ab"[n % 2]}) for n in range(20)])
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    env = {**os.environ, **keys, "AWS_DEFAULT_REGION": "us-east-1"}
    with running_s3() as store:
        client = boto3.client(
            "s3",
            endpoint_url=store.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        for path in out.rglob("*"):
            if path.is_file():
                client.upload_file(str(path), BUCKET, f"d/{path.relative_to(out)}")
        options = ["-s", f"AWS_ENDPOINT_URL={store.url}", "-s", f"SCRATCH_DIR={tmp_path}/scratch"]
        options += [word for name, value in keys.items() for word in ("-s", f"{name}={value}")]
        place = f"s3://{BUCKET}/d"
        for words in (
            ("split", place, "--stratify", "label"),
            ("report", place),
            ("lock", place),
            ("export", place, "--to", "coco", "--dest", tmp_path / "w", "--split", "splits.csv"),
            ("diff", out, place),
        ):
            ended = scrapy(*words, *options, env=env)
            assert ended.returncode == 0, (words, ended.stderr)
        found = client.list_objects_v2(Bucket=BUCKET, Prefix="d/")["Contents"]
        names = {each["Key"].removeprefix("d/") for each in found}
        assert {"splits.csv", "report.html", "dataset.lock.json", "diff.csv"} <= names
        again = scrapy("split", place, "--stratify", "label", *options, env=env)
        assert "20 records keep the split that they had" in again.stdout, again.stderr
        assert "pictures shown" in scrapy("report", place, *options, env=env).stdout
    assert len(list((tmp_path / "w/images").iterdir())) == 20
