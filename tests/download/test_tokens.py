"""Tokens from the environment: who sees them, and that nothing else does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from imgcrawl.download.tokens import token_headers
from imgcrawl.volumes.metadata.address import parse_address
from tests.conftest import Crawler
from tests.volumes import stores

if TYPE_CHECKING:
    from pathlib import Path

CAVE = {"CAVE_TOKEN": "s3cret-token", "CAVE_HOSTS": "minnie.example.org, other.org"}
WK = {"WK_TOKEN": "s3cret-token"}
BEARER = {"Authorization": "Bearer s3cret-token"}
WK_HEADER = {"X-Auth-Token": "s3cret-token"}


@pytest.mark.parametrize(
    ("url", "environment", "headers"),
    [
        ("https://minnie.example.org/a/info", CAVE, BEARER),
        ("https://other.org/a", CAVE, BEARER),
        ("http://other.org/a", CAVE, {}),  # in the open
        ("https://evil.org/other.org", CAVE, {}),
        ("https://sub.other.org/a", CAVE, {}),
        ("https://other.org/a", {"CAVE_TOKEN": "s3cret-token"}, {}),
        ("https://other.org/a", CAVE | {"CAVE_TOKEN": "a\r\nb"}, {}),
        ("https://webknossos.org/data/zarr", WK, WK_HEADER),
        ("https://data-h.webknossos.org/data/zarr", WK, WK_HEADER),
        ("https://notwebknossos.org/", WK, {}),
        ("https://webknossos.org.evil.org/", WK, {}),
        ("https://wk.lab.org/a", WK | {"WK_URL": "https://wk.lab.org"}, WK_HEADER),
        ("https://webknossos.org/", WK | {"WK_URL": "https://wk.lab.org"}, {}),
        ("https://webknossos.org/", {}, {}),
    ],
)
def test_only_hosts_that_the_owner_named_see_a_token(
    url: str, environment: dict[str, str], headers: dict[str, str]
) -> None:
    assert token_headers(url, environment) == headers


def test_addresses_with_middleauth_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    ask: dict[str, Any] = {"s3_url": "https://{bucket}.x/", "gcs_url": "https://{bucket}.x/"}
    address = "precomputed://middleauth+https://minnie.example.org/a"
    with pytest.raises(ValueError, match="CAVE_HOSTS=minnie"):
        parse_address(address, **ask)
    for name, value in CAVE.items():
        monkeypatch.setenv(name, value)
    assert parse_address(address, **ask).url == "https://minnie.example.org/a/"


def test_a_private_volume_is_read_and_copied_and_the_token_is_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voxels = np.random.default_rng(4).integers(0, 255, (16, 16, 16, 1), np.uint8)
    stores.write(tmp_path / "there/a", stores.precomputed((16, 16, 16, 1), "raw"), voxels)
    monkeypatch.setenv("CAVE_TOKEN", "s3cret-token")
    monkeypatch.setenv("CAVE_HOSTS", "127.0.0.1")
    alone = Crawler(tmp_path, None)
    with stores.serving(tmp_path / "there") as store:
        store.fault(
            lambda handler, path: (
                handler.headers.get("Authorization") != BEARER["Authorization"] and handler.say(401)
            )
        )
        ask: dict[str, Any] = {"settings": {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32"}}
        url = f"precomputed://middleauth+{store.url}a"
        cube = alone("zarr", url=url, format="npy", **ask)
        assert cube.status == 0, cube.log
        copied = alone("zarr", url=url, out="copy", settings=ask["settings"])
        assert copied.status == 0, copied.log
        monkeypatch.setenv("CAVE_TOKEN", "wrong")
        refused = alone("zarr", url=url, format="npy", out="refused", **ask)
        assert refused.status == 1, refused.log
    (row,) = cube.out.rows()
    assert np.array_equal(np.load(cube.out.root / row["file_name"]), voxels[..., 0].T)
    assert copied.out.rows()[0]["objects"] == "1"  # and the info above it
    for ended in (cube, copied):
        assert "s3cret-token" not in ended.log
        for path in ended.out.root.rglob("*"):
            assert not path.is_file() or b"s3cret-token" not in path.read_bytes(), path
    assert json.dumps(row).count("http://127.0.0.1") >= 1
