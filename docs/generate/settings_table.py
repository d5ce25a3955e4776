"""The settings as tables, read from the source of imgcrawl/settings.py with its comments.

A line of dashes there begins a section. What a setting is for stands behind it or in the lines of
comment above it; a comment that begins with a unit ("seconds; default 180") says the unit.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECTION = re.compile(r"# --- (?P<title>.+?) -{3,}")
_UNIT = re.compile(
    r"(seconds|bytes|pixels|records|files|crops|copies|tries|days|URLs|CIDR blocks)\b"
)
_LONGEST = 40  # characters of a default that fits into a cell


@dataclass(slots=True)
class Setting:
    """One assignment of the module."""

    name: str
    default: str
    comment: str

    @property
    def unit(self) -> str:
        """The unit that the comment begins with; empty if it begins otherwise."""
        found = _UNIT.match(self.comment)
        return found[1] if found else ""

    def row(self) -> str:
        """Return the setting as a row of a Markdown table."""
        cells = (
            f"`{self.name}`",
            f"`{self.default}`",
            self.unit,
            self.comment.replace("<", "&lt;"),
        )
        return "| " + " | ".join(cell.replace("|", "&#124;") for cell in cells) + " |"


@dataclass(slots=True)
class SettingsSection:
    """The settings below one line of dashes."""

    title: str
    settings: list[Setting] = field(default_factory=list)


def settings_tables(source: str) -> str:
    """Return a heading and a table for each section of the settings module."""
    parts = []
    for section in sections(source):
        rows = [setting.row() for setting in section.settings]
        head = ["| setting | default | unit | reason |", "|---|---|---|---|"]
        parts.append("\n".join(["", f"## {section.title}", "", *head, *rows, ""]))
    return "\n".join(parts)


def sections(source: str) -> Iterator[SettingsSection]:
    """Yield the sections of the settings module that have settings, in their order."""
    lines = source.splitlines()
    section = SettingsSection("The project")
    done = 0  # lines before this one have been looked at
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        for line in lines[done : node.lineno - 1]:
            if heading := _SECTION.fullmatch(line):
                if section.settings:
                    yield section
                section = SettingsSection(heading["title"].partition(":")[0])
        if setting := _setting(node, lines):
            section.settings.append(setting)
        done = node.end_lineno or node.lineno
    yield section


def _setting(node: ast.Assign | ast.AnnAssign, lines: list[str]) -> Setting | None:
    """Return the setting that an assignment makes, or None if it is private."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Name) or target.id.startswith("_") or node.value is None:
        return None
    above: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.startswith("# ") or _SECTION.fullmatch(line):
            break
        above.insert(0, line.removeprefix("# "))
    behind = ""
    if node.lineno == node.end_lineno:
        rest = lines[node.lineno - 1].encode()[node.end_col_offset or 0 :].decode()
        behind = rest.strip().removeprefix("# ")
    return Setting(target.id, _default(node.value), " ".join([*above, behind]).strip())


def _default(value: ast.expr) -> str:
    """Return a default as it is typed, or how much is in it where that is long."""
    text = ast.unparse(value)
    if isinstance(value, ast.Dict | ast.List) and len(text) > _LONGEST:
        entries = value.keys if isinstance(value, ast.Dict) else value.elts
        return f"{len(entries)} entries"
    if isinstance(value, ast.JoinedStr):
        return text[2:-1]
    return text
