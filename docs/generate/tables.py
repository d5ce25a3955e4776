"""Tables of the pages that the code knows: arguments of spiders, settings, commands.

A page has a pair of comments where a table belongs; what lies between them is rewritten:

    <!-- table: arguments isic -->
    <!-- end of the table -->
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.settings import Settings
from scrapy.spiderloader import get_spider_loader
from scrapy.utils.misc import load_object

from docs.generate.settings_table import settings_tables
from imgcrawl.commands.spiders import as_markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"(?P<begin><!-- table: (?P<kind>\w+) ?(?P<name>[a-z_]*) -->\n)"
    r".*?(?P<end><!-- end of the table -->)",
    re.DOTALL,
)


def pages() -> Iterator[Path]:
    """Yield the Markdown files that readers are given: of the top folder and of docs/."""
    yield from sorted(ROOT.glob("*.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))
    yield from sorted((ROOT / ".github").rglob("*.md"))


def with_tables(page: str) -> str:
    """Return the text of a page with each of its tables as the code has it today.

    Raises ValueError for a table of an unknown kind.
    """
    return _BLOCK.sub(lambda m: f"{m['begin']}{_table(m['kind'], m['name'])}\n{m['end']}", page)


def main() -> None:
    """Rewrite the tables of all pages."""
    for path in pages():
        before = path.read_text("utf-8")
        if (after := with_tables(before)) != before:
            path.write_text(after, "utf-8")


def _table(kind: str, name: str) -> str:
    if kind == "arguments":
        settings = Settings()
        settings.setmodule("imgcrawl.settings", priority="project")
        # Blank lines: Markdown takes a table right below a comment for a part of it.
        return f"\n{as_markdown(get_spider_loader(settings).load(name))}\n"
    if kind == "settings":
        return settings_tables((ROOT / "imgcrawl" / "settings.py").read_text("utf-8"))
    if kind == "commands":
        return _commands()
    raise ValueError(f"there is no table of the kind {kind!r}")


def _commands() -> str:
    """Return the sub-commands that Scrapy itself does not have, with what is typed after each."""
    rows = ["", "| command | what it does |", "|---|---|"]
    for path in sorted((ROOT / "imgcrawl" / "commands").glob("[a-z]*.py")):
        command = load_object(f"imgcrawl.commands.{path.stem}.Command")()
        cells = (f"`scrapy {path.stem} {command.syntax()}`", command.short_desc())
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*rows, ""])
