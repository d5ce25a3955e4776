"""The picture of the terminal: `make demo` as it is seen, run once in a terminal of its own.

What the program wrote is kept with its colours. The line that lives below the log is gone when a
run ends; the picture has it as it was in the middle, where it stood.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "pictures" / "terminal.svg"
COLUMNS = 110

_MOVES = re.compile(r"\r|\n|\x1b\[(?P<count>\d*)(?P<move>[AK])|\x1b\[\?25[hl]")
_LIVE = re.compile(r"(?P<done>\d+)/(?P<all>\d+).* left ")
_THEME = TerminalTheme(
    (24, 28, 36),
    (214, 220, 228),
    [
        *((38, 44, 56), (238, 110, 115), (140, 200, 130), (230, 192, 120)),
        *((110, 170, 240), (198, 140, 220), (100, 190, 200), (214, 220, 228)),
    ],
)


def run(command: list[str]) -> str:
    """Return all that a command writes to a terminal of `COLUMNS` columns."""
    parent, child = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "50"}
    env |= {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=ROOT, env=env, stdin=child, stdout=child, stderr=child
    ) as process:
        os.close(child)
        written = b""
        while chunk := _read(parent):
            written += chunk
        if process.wait():
            raise RuntimeError(f"{command} ended with exit status {process.returncode}")
    return written.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when nobody writes any more
        return b""


def lines_of(written: str) -> list[str]:
    """Return the lines that are left at the end, and the live line as it was in the middle."""
    lines, row, at = [""], 0, 0
    middle: tuple[float, int, str] = (1.0, 0, "")  # how far from it, the line's place, its text
    for move in _MOVES.finditer(written):
        lines[row] += written[at : move.start()]
        at = move.end()
        if found := _LIVE.search(_plain(lines[row])):
            off = abs(int(found["done"]) / int(found["all"]) - 0.6)
            middle = min(middle, (off, row, lines[row]))
        if move[0] == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif move["move"] == "A":
            row -= int(move["count"] or 1)
        elif move["move"] == "K":
            lines[row] = ""
    _, row, live = middle
    return [*lines[:row], live, *lines[row:]]


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def svg_of(lines: list[str], title: str) -> str:
    """Return the lines as an SVG document that needs no font from elsewhere."""
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    # Rich's template fetches a font from a CDN: readers are not to be told to anyone.
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = template.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    return console.export_svg(title=title, theme=_THEME, code_format=template, unique_id="t")


def main() -> None:
    """Run the demo and draw what it showed."""
    lines = lines_of(run([sys.executable, "-m", "scrapy", "demo"]))
    while lines and not _plain(lines[-1]).strip():
        lines.pop()
    PICTURE.write_text(svg_of(lines, "make demo"), "utf-8")
