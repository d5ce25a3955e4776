"""``imgcrawl.crawl`` in a notebook, by a real kernel: a bar, the summary, and a cell that stops."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from imgcrawl.progress.row import CrawlPhase, ProgressRow
from imgcrawl.progress.views import Bar
from imgcrawl.storage.directory import holder_of
from replicas.server import settings as replica_settings
from tests.conftest import HASTE, ROOT, Out, until
from tests.progress.test_terminal import at_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess


class Cells(NotebookClient):
    """Runs cells, and keeps each state of what is drawn anew in place."""

    def __init__(self, *cells: str) -> None:
        v4: Any = nbformat.v4
        made = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
        super().__init__(made, timeout=120, kernel_name="python3")
        self.drawn: list[dict[str, str]] = []

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "update_display_data":
            self.drawn.append(msg["content"]["data"])
            self.on_drawn()
        return super().process_message(msg, cell, cell_index)

    def on_drawn(self) -> None:
        """Look at what was drawn last."""

    def printed(self, number: int, stream: str = "stdout") -> str:
        outputs = self.nb.cells[number].outputs
        return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == stream)


class Interrupted(Cells):
    """Presses the button that stops a cell, once some records are done."""

    pressed = 0

    def on_drawn(self) -> None:
        done = re.search(r"(\d+) of \d+ records done", self.drawn[-1]["text/plain"])
        if done and int(done[1]) and not self.pressed:
            self.pressed += 1
            kernel: Any = self.km
            self.under_way = asyncio.ensure_future(kernel.interrupt_kernel())


class Tags(HTMLParser):
    """What elements a page has, and the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}


@pytest.fixture
def call(replica: ReplicaProcess, tmp_path: Path) -> str:
    """A call of ``imgcrawl.crawl`` that takes some seconds."""
    given = {**HASTE, **replica_settings(replica.url), "DOWNLOAD_DELAY": 0.05}
    given["HTTPCACHE_DIR"] = str(tmp_path / "cache")
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import imgcrawl\n"
    return (
        f"{path}data = imgcrawl.crawl('isic', num_images=NUMBER, out={str(tmp_path / 'out')!r}, "
        f"settings={given!r})"
    )


def test_a_bar_is_drawn_anew_and_the_summary_stands_below(call: str, tmp_path: Path) -> None:
    cells = Cells(
        "import asyncio; assert asyncio.get_running_loop()",
        call.replace("NUMBER", "30"),
        "print(len(data), data.to_pandas()['file_name'].notna().sum())",
    )
    cells.execute()
    bars = [o for o in cells.nb.cells[1].outputs if o.output_type == "display_data"]
    assert len(bars) == 1  # in place, and not a new one each second
    assert {data["text/html"].count("<progress") for data in cells.drawn} == {1}
    assert len(cells.drawn) > 2
    assert 'max="30" value="30"' in bars[0]["data"]["text/html"]
    assert bars[0]["data"]["text/plain"].startswith("✔ isic: 30 of 30 records done, 0 missing")
    assert "30 stored (" in cells.printed(1)
    assert f"Files and metadata.csv are in {tmp_path}/out" in cells.printed(1)
    assert "records done" not in cells.printed(1)  # the bar says it
    assert cells.printed(1, "stderr") == ""
    assert cells.printed(2) == "30 30\n"


@pytest.mark.slow
def test_an_interrupted_cell_ends_the_crawl_and_the_next_goes_on(call: str, tmp_path: Path) -> None:
    cells = Interrupted(call.replace("NUMBER", "80"))
    with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
        cells.execute()
    assert cells.pressed == 1
    assert "Stopping: what is under way is finished." in cells.printed(0)
    assert "Stopped by a signal. The same command goes on from here." in cells.printed(0)
    assert cells.drawn[-1]["text/plain"].startswith("stopped: isic: ")
    out = Out(tmp_path / "out")
    out.verify()
    before = len(out.rows())
    assert 0 < before < 80
    assert not (out.root / ".lock").exists()
    again = Cells(call.replace("NUMBER", "80").replace("0.05", "0"))
    again.execute()
    assert f"This run: {80 - before} new" in again.printed(0)
    assert len(out.rows()) == 80


@pytest.mark.slow
def test_a_crawl_dies_with_the_program_that_waits_for_it(call: str, tmp_path: Path) -> None:
    script = call.replace("NUMBER", "80")
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) as program:
        until(lambda: len([*(tmp_path / "out/images").glob("*.jpg")]) > 3)
        assert holder_of(tmp_path / "out")[0]
        program.kill()
    until(lambda: not holder_of(tmp_path / "out")[0], seconds=10)
    again = script.replace("0.05", "0")
    ended = subprocess.run(
        [sys.executable, "-c", again], capture_output=True, text=True, check=True
    )
    assert "80 stored (" in ended.stderr
    Out(tmp_path / "out").verify()


@pytest.mark.slow
def test_wrong_arguments_are_an_error_of_the_cell(tmp_path: Path) -> None:
    cells = Cells(
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import imgcrawl\n"
        f"imgcrawl.crawl('isic', num_image=3, out={str(tmp_path / 'x')!r})"
    )
    with pytest.raises(CellExecutionError, match="did you mean 'num_images'"):
        cells.execute()
    assert cells.drawn[-1]["text/plain"] == "✘ failed: isic: starts"


@given(st.text(), st.text(), st.none() | st.integers(0), st.sampled_from(CrawlPhase))
def test_nothing_of_a_source_is_more_than_text(
    name: str, activity: str, expected: int | None, phase: CrawlPhase
) -> None:
    row = ProgressRow(name)
    row.update({"done": 7, "missing": 0, "expected": expected, "bytes": 1, "activity": activity})
    row.phase = phase
    page = Tags(Bar(row)._repr_html_())
    assert page.tags == ["div", "progress"]
    assert page.names <= {"style", "aria-label", "max", "value"}


def test_a_script_at_a_terminal_has_a_bar_and_elsewhere_lines(call: str, tmp_path: Path) -> None:
    script = call.replace("NUMBER", "5")
    status, shown = at_terminal([sys.executable, "-c", script], columns=100)
    assert (status, b"\x1b[?25l" in shown, shown.count(b"5/5") > 0) == (0, True, True), shown
    assert b"5 stored (" in shown
    (tmp_path / "out/ledger.sqlite").unlink()
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100
    )
    assert ended.stdout == ""
    assert "5 stored (" in ended.stderr
    assert "\x1b" not in ended.stderr
