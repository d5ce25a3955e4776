"""Object stores of this machine, whose addresses and keys stand in the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stores import running_google, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stores import S3, Store


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with running_s3() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(params=["s3", "gs"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with running_s3() if request.param == "s3" else running_google() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running
