"""An OUT and its ledger, without a crawl."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.ledger import Ledger
from imgcrawl.storage.directory import LEDGER, OutputDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def out(tmp_path: Path) -> Iterator[OutputDirectory]:
    with closing(OutputDirectory(tmp_path / "out")) as directory:
        yield directory


@pytest.fixture
def ledger(out: OutputDirectory) -> Iterator[Ledger]:
    with closing(Ledger(out.root / LEDGER)) as opened:
        yield opened
