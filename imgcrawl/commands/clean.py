"""``scrapy clean OUT ...``: what runs left behind that no dataset needs."""

from __future__ import annotations

import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError
from scrapy.utils.project import data_path

from imgcrawl.dataset.leftovers import (
    DAY,
    Leftover,
    leftovers_of,
    old_logs,
    page_cache,
    remove,
    remove_empty,
    scratch_files,
)
from imgcrawl.dataset.status import find_outs
from imgcrawl.records.errors import ArgumentError, OutputError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.scheduling.timers import LOGS
from imgcrawl.storage.address import BucketAddress, is_address, scratch_of
from imgcrawl.storage.directory import LEDGER, OutputDirectory, holder_of
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


class Command(ScrapyCommand):
    """Removes unfinished downloads, archives, scratch and old logs, and says how many bytes."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[--dry-run] [--days N] [--shared] [OUT, a folder of them, or s3://... ...]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Remove what runs left behind and no dataset needs: never a stored file"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        super().add_options(parser)
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")
        parser.add_argument(
            "--days", type=float, default=7.0, help="that it was not touched for (default: 7)"
        )
        parser.add_argument(
            "--shared", action="store_true", help=f"the page cache, and old logs in {LOGS}, too"
        )

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Clean each OUT; exit status 1 if one is in use, or cannot be cleaned."""
        if opts.days < 0 or not (args or opts.shared):
            raise UsageError("scrapy clean takes an OUT or --shared, and --days 0 or more")
        self._older, self._dry = opts.days * DAY, opts.dry_run
        for name in args:
            try:
                if is_address(name):
                    self._clean_scratch(name)
                    continue
                outs = [*find_outs(Path(name))]
                if not outs:
                    raise OutputError("no dataset of imgcrawl's is there or below")
            except (ArgumentError, OutputError, OSError) as error:
                self._refuse(name, error)
                continue
            for out in outs:
                try:
                    self._clean_out(out)
                except (OutputError, OSError) as error:
                    self._refuse(str(out), error)
        if opts.shared:
            assert self.settings is not None
            cache = Path(data_path(self.settings["HTTPCACHE_DIR"]))
            shared = [*page_cache(cache, self._older), *old_logs(Path(LOGS), self._older)]
            self._say("shared by all", shared)
            if not self._dry:
                remove(shared)

    def _refuse(self, name: str, error: Exception) -> None:
        sys.stderr.write(f"scrapy clean: {name}: {error}\n")
        self.exitcode = ExitStatus.FAILED

    def _clean_out(self, root: Path) -> None:
        """Clean a folder that nobody uses, and keep it until it is clean. Raises OutputError."""
        running, process = holder_of(root)
        if running:
            raise OutputError(f"in use by another run (process {process}): it is left as it is")
        found = [*leftovers_of(root, self._older)]
        self._say(str(root), found)
        if found and not self._dry:
            if (root / LEDGER).is_file():
                with closing(OutputDirectory(root)):
                    remove(found)
            else:
                remove(found)  # the tables of shards, or of a plan

    def _clean_scratch(self, name: str) -> None:
        """Clean the folder that stands for an OUT in a store on this machine.

        Raises OutputError, and StoreError.
        """
        # The libraries of the stores take a second and tens of megabytes to load.
        from imgcrawl.storage.open_store import open_bucket  # noqa: PLC0415

        assert self.settings is not None
        address = BucketAddress.of(name)
        root = scratch_of(address, self.settings)
        running, process = holder_of(root)
        if running:
            raise OutputError(f"in use by another run (process {process}): it is left as it is")
        version = open_bucket(address, self.settings).version(LEDGER)
        found, why_not = scratch_files(root, version)
        if why_not is not None:
            raise OutputError(f"{root}: {why_not}")
        found += [each for each in leftovers_of(root, self._older) if each not in found]
        self._say(f"{name} ({root})", found)
        if found and not self._dry:
            with closing(OutputDirectory(root)):
                remove(found)
            remove_empty(root)

    def _say(self, place: str, found: Iterable[Leftover]) -> None:
        by_kind: dict[str, list[Leftover]] = defaultdict(list)
        for each in found:
            by_kind[each.what].append(each)
        lines = [
            f"  {len(some):,} files, {format_size(sum(each.bytes for each in some))}: {what}"
            for what, some in by_kind.items()
        ]
        verb = "would go" if self._dry else "goes"
        total = sum(each.bytes for some in by_kind.values() for each in some)
        head = f"{place}: {format_size(total)} {verb}" if lines else f"{place}: nothing to clean"
        sys.stdout.write("\n".join([head, *lines]) + "\n")
