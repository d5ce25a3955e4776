"""``scrapy serve [OUT ...]``: datasets in this machine's browser, and crawls while they run."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.dataset.status import find_outs
from imgcrawl.records.errors import ArgumentError, OutputError
from imgcrawl.storage.address import is_address
from imgcrawl.storage.directory import METADATA

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from imgcrawl.gallery.shown import Shown

DEFAULT = "data"


class Command(ScrapyCommand):
    """Serves until Ctrl-C, to this machine alone; reads OUTs and writes nothing into them."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[--port N] [OUT, a folder of them, or s3://... ...]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Browse and filter datasets in a browser, and see how far their crawls are"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the option."""
        super().add_options(parser)
        parser.add_argument("--port", type=int, default=0, help="by default any that is free")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Serve; exit status 2 where there is no dataset, or the port is taken."""
        from imgcrawl.gallery.server import GalleryServer  # noqa: PLC0415 - each crawl loads all commands

        outs = [out for name in args or [DEFAULT] for out in self._outs(name)]
        if not outs:
            raise UsageError(f"there is no dataset below {DEFAULT} yet: type an OUT")
        try:
            server = GalleryServer(outs, opts.port)
        except (OSError, OverflowError) as error:
            raise UsageError(f"--port {opts.port}: {error}. Leave it out for a free one") from error
        names = f"{len(outs)} datasets" if len(outs) > 1 else outs[0].name
        sys.stdout.write(f"{names}: {server.url} (Ctrl-C ends it)\n")
        sys.stdout.flush()
        for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has it ignored
            signal.signal(number, signal.default_int_handler)
        with server:
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                sys.stdout.write("\n")

    def _outs(self, name: str) -> Iterator[Shown]:
        """Yield the OUTs at or below a folder, or at an address. Raises UsageError for none."""
        # As above: what only this command needs.
        from imgcrawl.gallery.shown import Shown, ShownInStore  # noqa: PLC0415
        from imgcrawl.storage.store_tables import StoreTables  # noqa: PLC0415

        if is_address(name):
            assert self.settings is not None
            try:
                tables = StoreTables(name, self.settings)
            except (ArgumentError, OutputError) as error:
                raise UsageError(str(error)) from error
            yield ShownInStore(tables, self.settings.getfloat("STORE_LOCK_STALE"))
            return
        # The tables of a plan, or of shards, have all that lies below.
        is_one = (Path(name) / METADATA).is_file()
        found = [Path(name)] if is_one else [*find_outs(Path(name))]
        if not found:
            raise UsageError(f"{name}: no dataset of imgcrawl's is there or below")
        yield from (Shown(str(out), out.absolute()) for out in found)
