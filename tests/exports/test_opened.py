"""``imgcrawl.open`` and ``imgcrawl.crawl``: what a program is given is what the table has."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import imgcrawl
from imgcrawl.records.errors import ArgumentError, ImgcrawlError, OutputError
from tests.conftest import ROOT, scrapy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def out(filled: Callable[..., Path]) -> Path:
    root = filled(
        [(f"r{n:02}", {"dx": ["nevus", "bcc"][n % 2], "age": n or None}) for n in range(20)]
    )
    (root / "splits.csv").write_text(
        "record_id,split\n"
        + "".join(f"r{n:02},{'test' if n < 5 else 'train'}\n" for n in range(20))
    )
    return root


def test_every_form_has_the_rows(out: Path) -> None:
    dataset = imgcrawl.open(out)
    rows = list(dataset)
    assert (len(dataset), len(rows), rows[1]["age"], rows[0]["age"]) == (20, 20, 1, None)
    assert dataset.path(rows[3]).stat().st_size == rows[3]["bytes"]
    assert dataset.to_arrow().to_pylist() == rows
    frame = dataset.to_pandas()
    assert (str(frame["age"].dtype), frame["age"].isna().sum()) == ("Int64", 1)
    loaded = dataset.to_huggingface()
    assert [row["image"].size for row in loaded] == [(r["width"], r["height"]) for r in rows]
    pairs = dataset.to_torch(transform=lambda p: p.size, split="test", label="dx")
    assert (len(pairs), pairs.classes) == (5, ["bcc", "nevus"])
    assert [pairs[n] for n in range(5)] == [
        ((r["width"], r["height"]), ["bcc", "nevus"].index(r["dx"])) for r in rows[:5]
    ]
    assert dataset.verify() == []
    dataset.path(rows[7]).write_bytes(b"x")
    dataset.path(rows[8]).unlink()
    assert [(name, problem) for name, _, problem in dataset.verify()] == [
        ("r07", "sha256"),
        ("r08", "missing"),
    ]


@pytest.mark.slow
def test_what_is_wrong_is_said(out: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is no dataset"):
        imgcrawl.open(tmp_path)
    with pytest.raises(OutputError, match="there are test, train"):
        imgcrawl.open(out).to_torch(split="val")
    with pytest.raises(ArgumentError, match="did you mean 'num_images'"):
        imgcrawl.crawl("isic", num_image=3, out=tmp_path / "x")
    with pytest.raises(ImgcrawlError):
        imgcrawl.crawl(
            "isic",
            num_images=1,
            out=tmp_path / "y",
            settings={"ISIC_API_URL": "http://127.0.0.1:9/"},
        )
    with pytest.raises(AttributeError):
        imgcrawl.nothing  # type: ignore[attr-defined] # noqa: B018


def test_reading_imports_neither_scrapy_nor_twisted(out: Path) -> None:
    script = (
        f"import imgcrawl, sys; d = imgcrawl.open({str(out)!r}); assert len(list(d)) == 20;"
        "assert not {'scrapy', 'twisted', 'pyarrow'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.slow
def test_a_crawl_from_a_running_loop(tmp_path: Path) -> None:
    import asyncio

    (tmp_path / "list.csv").write_text("url,id\nhttp://127.0.0.1:9/a.jpg,a\n")
    arguments: dict[str, Any] = {"list": tmp_path / "list.csv", "out": tmp_path / "out"}

    async def cell() -> int:
        return len(imgcrawl.crawl("urls", **arguments, settings={"RETRY_TIMES": 0}))

    assert asyncio.run(cell()) == 0
    assert "127.0.0.1" in (tmp_path / "out/failures.csv").read_text()


def test_a_dataset_is_the_same_as_itself(out: Path) -> None:
    ended = scrapy("diff", out, out)
    assert (ended.returncode, ended.stdout.split()[:2]) == (0, ["same", "20"]), ended.stderr
