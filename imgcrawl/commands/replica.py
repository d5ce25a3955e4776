"""``scrapy replica``: the local servers alone, for a browser or curl."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

if TYPE_CHECKING:
    import argparse


class Command(ScrapyCommand):
    """Serves until Ctrl-C."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[--isic DIR] [--records N] [--faults JSON] [--port N]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Serve replicas of the sources on 127.0.0.1, to look at or to crawl"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of ``python -m replicas``."""
        # Late: all commands are imported to list them, and an installation may lack the replicas.
        from replicas.options import add_options  # noqa: PLC0415

        super().add_options(parser)
        add_options(parser)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Serve until interrupted."""
        from replicas.__main__ import serve  # noqa: PLC0415 - as above

        if args:
            raise UsageError(f"scrapy replica takes options only, not {args[0]}")
        try:
            asyncio.run(serve(opts))
        except (ValueError, OSError) as error:
            raise UsageError(str(error), print_help=False) from error
