"""``scrapy completion SHELL``: what bash, zsh and fish need to complete a command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError
from scrapy.utils.misc import walk_modules

from imgcrawl.arguments import SpiderArguments
from imgcrawl.commands.spiders import datasets
from imgcrawl.crawl.spider_loader import spider_loader
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    import argparse

PROGRAMS = ("imgcrawl", "scrapy")

_BASH = """\
_imgcrawl() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
  if [ "$COMP_CWORD" = 1 ]; then words="{commands}"
  elif [ "$before" = -a ]; then
    case "${{COMP_WORDS[2]}}" in
{cases}
    esac
    compopt -o nospace 2>/dev/null
  elif [ "$COMP_CWORD" = 2 ]; then
    case "${{COMP_WORDS[1]}}" in
      crawl|spiders|shards) words="{spiders}" ;;
      *) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    esac
  else COMPREPLY=($(compgen -f -- "$cur")); return
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -F _imgcrawl {programs}
"""
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


class Command(ScrapyCommand):
    """Prints a script that knows the commands, the datasets and their arguments."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "bash|zsh|fish"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return 'Print what a shell needs to complete commands: eval "$(scrapy completion bash)"'

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print the script."""
        if len(args) != 1 or args[0] not in SHELLS:
            near = did_you_mean(args[0], SHELLS) if args else "."
            raise UsageError(f"scrapy completion takes one of {', '.join(SHELLS)}{near}")
        assert self.settings is not None
        loader = spider_loader(self.settings)
        arguments = {
            name: [*getattr(loader.load(name), "arguments", SpiderArguments).model_fields]
            for name in datasets(loader)
        }
        sys.stdout.write(SHELLS[args[0]](_commands(), arguments))


def _commands() -> list[str]:
    """Return the names of imgcrawl's commands and of Scrapy's."""
    modules = [*walk_modules("imgcrawl.commands"), *walk_modules("scrapy.commands")]
    names = {m.__name__.rpartition(".")[2] for m in modules if hasattr(m, "Command")}
    return sorted(names)


def as_bash(commands: list[str], arguments: dict[str, list[str]]) -> str:
    """Return the script of bash."""
    cases = "\n".join(
        f'      {spider}) words="{" ".join(f"{name}=" for name in names)}" ;;'
        for spider, names in arguments.items()
    )
    return _BASH.format(
        commands=" ".join(commands),
        spiders=" ".join(arguments),
        cases=cases,
        programs=" ".join(PROGRAMS),
    )


def as_zsh(commands: list[str], arguments: dict[str, list[str]]) -> str:
    """Return the script of zsh, which can read that of bash."""
    return _ZSH + as_bash(commands, arguments)


def as_fish(commands: list[str], arguments: dict[str, list[str]]) -> str:
    """Return the script of fish."""
    lines = []
    for program in PROGRAMS:
        lines.append(f"complete -c {program} -n __fish_use_subcommand -f -a '{' '.join(commands)}'")
        lines.append(
            f"complete -c {program} -n '__fish_seen_subcommand_from crawl spiders shards' "
            f"-f -a '{' '.join(arguments)}'"
        )
        for spider, names in arguments.items():
            words = " ".join(f"{name}=" for name in names)
            lines.append(
                f"complete -c {program} -n '__fish_seen_subcommand_from {spider}' -s a -x "
                f"-a '{words}'"
            )
    return "\n".join(lines) + "\n"


SHELLS = {"bash": as_bash, "zsh": as_zsh, "fish": as_fish}
