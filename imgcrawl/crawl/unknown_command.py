"""What is said of a command that there is not: Scrapy names no nearest one."""

from __future__ import annotations

import sys
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from scrapy import cmdline

from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def name_the_nearest(folder: Iterable[str]) -> None:
    """Have Scrapy name the nearest command of its own, or of ours in `folder`.

    Source: scrapy 2.19, ``cmdline._print_unknown_command_msg``; a later one without it says what
    it says.
    """
    own: Callable[..., None] | None = getattr(cmdline, "_print_unknown_command_msg", None)
    if own is None:
        return

    def say(settings: Any, name: str, *others: Any) -> None:
        import scrapy.commands  # noqa: PLC0415 - it is there by the time that this is called

        own(settings, name, *others)
        known = [found.name for found in iter_modules([*folder, *scrapy.commands.__path__])]
        if (near := did_you_mean(name, known)) != ".":
            sys.stdout.write(f"{name}{near}\n\n")

    patched: Any = cmdline
    patched._print_unknown_command_msg = say
