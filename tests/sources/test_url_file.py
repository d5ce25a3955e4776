"""Where the lines of synsets stand in a file of many, sorted or not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.sources.imagenet import url_file
from imgcrawl.sources.imagenet.candidates import Candidate
from imgcrawl.sources.imagenet.url_file import UrlFile

WNIDS = ("n01440764", "n02084071", "n04399382")
LINES = st.builds(
    lambda wnid, number, end: f"{wnid}_{number}\thttp://a.example/{number}.jpg{end}",
    st.sampled_from([*WNIDS, "n99999999"]),
    st.integers(0, 10**7),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
) | st.sampled_from(["n0144\n", "\n", "# n01440764 of old\n", "x" * 300 + "\n", "n01440764"])


@given(
    lines=st.lists(LINES, max_size=30),
    is_sorted=st.booleans(),
    mark=st.sampled_from(["", "\ufeff"]),
    block=st.sampled_from([1, 3, 16, 64, 1 << 20]),
)
def test_all_lines_of_a_synset_are_found_wherever_they_stand(
    lines: list[str], is_sorted: bool, mark: str, block: int
) -> None:
    text = "".join(sorted(lines) if is_sorted else lines)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(url_file, "BLOCK", block)
        path = Path(folder, "urls.txt")
        path.write_text(mark + text, "utf-8", newline="")
        file = UrlFile(str(path))
        file.index({*WNIDS})
        for wnid in WNIDS:
            numbers = [
                int(line.partition("\t")[0].partition("_")[2])
                for line in text.split("\n")
                if line.startswith(f"{wnid}_")
            ]
            found = [each.number for each in file.candidates(wnid) if isinstance(each, Candidate)]
            assert found == [*dict.fromkeys(numbers)]


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_file, "BLOCK", 100)
    path = tmp_path / "urls.txt"
    path.write_text("".join(f"n01440764_{n}\thttp://a.example/{n}.jpg\n" for n in range(1000)))
    told: list[int] = []
    UrlFile(str(path)).index({*WNIDS}, told.append)
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1] <= path.stat().st_size
