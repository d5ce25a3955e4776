"""``scrapy shards SPIDER``: a dataset in shards, on the workers of a Dask cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.commands import BaseRunSpiderCommand
from scrapy.exceptions import UsageError
from scrapy.settings import SETTINGS_PRIORITIES

from imgcrawl.arguments import parse_arguments, reads_stdin
from imgcrawl.crawl.check_settings import check_settings
from imgcrawl.crawl.spider_loader import spider_class
from imgcrawl.records.errors import ArgumentError, ImgcrawlError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.records.extras import require_extra
from imgcrawl.shards.plan import ShardRequest
from imgcrawl.storage.address import BucketAddress, is_address

if TYPE_CHECKING:
    import argparse

_MOST = 100_000  # shards


class Command(BaseRunSpiderCommand):
    """Cuts a dataset, has each shard crawled by a worker, and merges what they leave."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[options] SPIDER [-a NAME=VALUE ...]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Download a dataset in shards, on several processes or a Dask cluster"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options beside those of ``crawl``."""
        super().add_options(parser)
        parser.add_argument("-n", type=int, metavar="N", help="shards (default 4 a worker)")
        parser.add_argument("--scheduler", help="of a Dask cluster, such as tcp://10.0.0.1:8786")
        parser.add_argument(
            "--workers", type=int, help="shards at once (default: cores, or the cluster's threads)"
        )
        parser.add_argument(
            "--cut",
            choices=["record", "host"],
            help="by record, at rates divided by the workers, or by host of the first URL, at "
            "whole rates (default for lists of URLs)",
        )
        parser.add_argument("--again", action="store_true", help="look at done shards again")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run all shards; exit status as of ``scrapy crawl``."""
        if len(args) != 1:
            raise UsageError("scrapy shards takes one spider. `scrapy spiders` lists them.")
        assert self.settings is not None
        try:
            request = self._checked(args[0], opts)
            require_extra("shards")
            from imgcrawl.shards.runner import run_shards  # noqa: PLC0415 - takes a second

            self.exitcode = run_shards(request, self.settings)
        except ImgcrawlError as error:
            sys.stderr.write(f"scrapy shards: {error}\n")
            is_usage = isinstance(error, ArgumentError)
            self.exitcode = ExitStatus.USAGE if is_usage else ExitStatus.FAILED

    def _checked(self, name: str, opts: argparse.Namespace) -> ShardRequest:
        """Return the request, checked. Raise ArgumentError before anything is started."""
        assert self.settings is not None
        spider = spider_class(self.settings, name)
        given = opts.spargs
        for argument in ("shard", "dry_run"):
            if argument in given:
                raise ArgumentError(f"{argument}={given[argument]}: not with shards.")
        if reads_stdin(spider, given):
            raise ArgumentError("standard input cannot be read by several: write it to a file.")
        for store in ("IMAGES_STORE", "FILES_STORE"):
            if self.settings[store]:
                raise ArgumentError(
                    f"{store}: not with shards. Put all of them into a store with -a out=s3://…, "
                    "or into a folder that all workers share."
                )
        for option in ("n", "workers"):
            value = getattr(opts, option)
            if value is not None and not 1 <= value <= _MOST:
                raise ArgumentError(f"{option} {value}: type a number from 1 to {_MOST}.")
        parsed = parse_arguments(spider, given)
        for warning in check_settings(self.settings):
            sys.stderr.write(f"scrapy shards: warning: {warning}\n")
        out = str(parsed.out or self.settings["OUT"] or parsed.default_out(name))
        if is_address(out):
            out = str(BucketAddress.of(out))
        else:
            out = str(Path(out).expanduser().absolute())
        return ShardRequest(
            spider=name,
            arguments=given,
            settings=self._given_settings(),
            out=out,
            default_cut=getattr(spider, "shard_by", "record"),
            n=opts.n,
            cut=opts.cut,
            workers=opts.workers,
            scheduler=opts.scheduler,
            again=opts.again,
        )

    def _given_settings(self) -> dict[str, Any]:
        """Return the settings typed with -s, without a file for the log, which all would write."""
        assert self.settings is not None
        typed = SETTINGS_PRIORITIES["cmdline"]
        names = [name for name in self.settings if self.settings.getpriority(name) == typed]
        plain = (str, int, float, bool)
        return {
            name: self.settings[name]
            for name in names
            if name != "LOG_FILE" and isinstance(self.settings[name], plain)
        }
