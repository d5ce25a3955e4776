"""The spider and the format of docs/add-a-source.md work as they stand."""

from __future__ import annotations

import os
import struct
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.microscopy import describe as describing
from imgcrawl.microscopy.proof import Checked
from imgcrawl.microscopy.ranges import bytes_ranges
from imgcrawl.records.errors import RecordMissing
from tests.conftest import ROOT
from tests.docs.blocks import blocks

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

API = "https://museum.example/api/specimens/"


def page(numbers: range, following: str | None) -> dict[str, object]:
    results = [
        {
            "id": f"B{n}",
            "photo": f"https://museum.example/photos/{n}.jpg",
            "photo_mirror": f"https://mirror.example/{n}.jpg",
            "species": f"Vanessa {n}",
            "license": "CC0",
        }
        for n in numbers
    ]
    return {"count": 6, "next": following, "results": results}


@pytest.mark.slow
def test_the_spider_of_the_documentation(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    (code,) = [
        block.body
        for block in blocks()
        if block.page == "docs/add-a-source.md"
        and block.language == "python"
        and "Spider(" in block.body
    ]
    package = tmp_path / "documented"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "butterflies.py").write_text(code, "utf-8")
    first, second = page(range(3), f"{API}page2/"), page(range(3, 6), None)
    lost = {"kind": "status", "status": 404}
    replica.faults(
        [
            {"match": "museum.example/api/specimens/$", "kind": "json", "body": first},
            {"match": "museum.example/api/specimens/page2/$", "kind": "json", "body": second},
            {"match": "museum.example/photos/1.jpg", **lost},
            {"match": "(museum.example/photos|mirror.example)/2.jpg", **lost},
        ]
    )
    ended = subprocess.run(
        crawl.command(
            "butterflies", family="Nymphalidae", settings={"SPIDER_MODULES": "documented"}
        ),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3, ended.stderr
    assert "promises 6 records" in ended.stderr
    out = crawl.out()
    out.verify()
    rows = {row["record_id"]: row for row in out.rows()}
    assert set(rows) == {"B0", "B1", "B3", "B4", "B5"}
    assert rows["B1"]["url"].startswith("https://mirror.example/")
    assert rows["B5"]["species"] == "Vanessa 5"
    assert out.failures() == {"B2": "not_found"}


def test_the_format_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = [block.body for block in blocks() if "XYZ = FileFormat" in block.body]
    names: dict[str, Any] = {}
    exec(code, names)
    monkeypatch.setattr(describing, "FORMATS", (names["XYZ"],))
    data = b"XYZ1" + struct.pack("<2Id", 6, 4, 0.5) + bytes(12 + 48)
    facts = describing.describe(bytes_ranges(data))
    assert (facts.size_x, facts.voxel_x_nm, facts.proof.checked) == (6, 500.0, Checked.WHOLE)
    with pytest.raises(RecordMissing, match="reaches to byte 80 of 79"):
        describing.describe(bytes_ranges(data[:-1]))
