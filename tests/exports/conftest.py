"""An OUT with pictures and a ledger, made without a crawl."""

from __future__ import annotations

import hashlib
import io
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.tables import LiveTables, write_all
from imgcrawl.records.items import ImageItem, Stored
from imgcrawl.storage.directory import LEDGER, OutputDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = "2026-01-01T00:00:00Z"


def picture(n: int, kind: str = "JPEG") -> bytes:
    """A small picture that differs from every other."""
    made = io.BytesIO()
    Image.new("RGB", (8 + n % 5, 8), (n % 256, n // 256 % 256, 7)).save(made, kind)
    return made.getvalue()


def entry(record_id: str, columns: dict[str, Any], body: bytes, name: str = "") -> LedgerEntry:
    """The entry of a picture that is stored."""
    name = name or f"images/{hashlib.md5(record_id.encode()).hexdigest()[:12]}.jpg"
    url = f"https://example.org/{record_id}"
    item = ImageItem(record_id, [url], name.rpartition(".")[0], columns)
    with Image.open(io.BytesIO(body)) as image:
        facts = Stored(name, url, url, hashlib.sha256(body).hexdigest(), len(body), image.format)
        facts = replace(facts, width=image.width, height=image.height, mode=image.mode)
    return LedgerEntry.from_item(item, replace(facts, downloaded_at=NOW, source="original"), NOW)


def fill(root: Path, records: Any, *, files: bool = True) -> Path:
    """Store records, each with its id, columns and, if it is not made up, body and name."""
    with closing(OutputDirectory(root)) as out, closing(Ledger(root / LEDGER)) as ledger:
        entries = []
        for n, (record_id, columns, *others) in enumerate(records):
            body = others[0] if others else picture(n)
            made = entry(record_id, columns, body, *others[1:])
            if files:
                assert isinstance(made.result, Stored)
                path = root / str(made.result.file_name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
            entries.append(made)
        ledger.write(entries)
        live = LiveTables(out, ledger)
        live.learn_columns(entries)
        live.close()
        write_all(out, ledger)
    return root


@pytest.fixture
def filled(tmp_path: Path) -> Callable[..., Path]:
    """Fill an OUT below the test's folder."""
    return lambda records, name="out", **kwargs: fill(tmp_path / name, records, **kwargs)
