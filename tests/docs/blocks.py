"""The command blocks of README and docs: which commands stand where."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from docs.generate.tables import ROOT, pages

if TYPE_CHECKING:
    from collections.abc import Iterator

SHELL = {"console", "sh"}
OTHER = {"python", "toml", "text", "markdown"}  # what is not typed into a shell
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class FencedBlock:
    """A fenced block."""

    page: str
    language: str
    body: str


@dataclass(frozen=True)
class TypedCommand:
    """What one types, continued lines joined and the comment behind it left out."""

    page: str
    text: str

    def words(self) -> list[str]:
        """The words of the command of scrapy in it, without the name of the program."""
        found = re.match(r"(?:.*[|;] |\.venv/bin/)?scrapy (?P<rest>.*)", self.text)
        lexer = shlex.shlex(found["rest"] if found else "", posix=True, punctuation_chars="|;)")
        lexer.whitespace_split, lexer.commenters = True, ""
        return list(takewhile(lambda word: word not in {"|", ";", ")"}, lexer))

    @property
    def kind(self) -> tuple[str, ...]:
        """The sub-command; with the spider, where it takes one."""
        words = self.words()
        return tuple(words[:2]) if words[0] in {"crawl", "shards"} else tuple(words[:1])

    def arguments(self) -> dict[str, str]:
        """What is given with -a."""
        words = self.words()
        given = [words[i + 1] for i, word in enumerate(words) if word == "-a"]
        return dict(text.split("=", 1) for text in given)

    def options(self) -> set[str]:
        """What the command gives: names of arguments, and options."""
        return {*self.arguments(), *(w for w in self.words() if re.match(r"--?[a-zA-Z]", w))}

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def blocks() -> Iterator[FencedBlock]:
    for path in pages():
        for found in _FENCE.finditer(path.read_text("utf-8")):
            body = re.sub(rf"(?m)^{found['indent']}", "", found["body"])
            yield FencedBlock(path.relative_to(ROOT).as_posix(), found["language"], body)


def commands() -> list[TypedCommand]:
    found = []
    for block in blocks():
        if block.language in SHELL:
            joined = re.sub(r"\\(?: *#.*)?\n\s*", "", block.body)
            lines = [line for line in joined.splitlines() if line.strip()]
            if block.language == "console":  # the rest is what the commands print
                lines = [line for line in lines if line.startswith("$ ")]
            for line in lines:
                text = re.sub(r"(^|\s+)# .*$", "", line).removeprefix("$ ").strip()
                found.append(TypedCommand(block.page, re.sub(r" +", " ", text)))
    return found


def scrapy_commands() -> list[TypedCommand]:
    return [command for command in commands() if command.words()]
