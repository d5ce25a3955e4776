"""``scrapy crawl``, with arguments checked first and an exit status that means something."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.commands import BaseRunSpiderCommand
from scrapy.exceptions import UsageError
from scrapy.utils.log import configure_logging, get_scrapy_root_handler

from imgcrawl.arguments import parse_arguments
from imgcrawl.commands.spiders import as_text
from imgcrawl.crawl.check_settings import check_settings
from imgcrawl.crawl.process import CrawlProcess
from imgcrawl.crawl.spider_loader import spider_class
from imgcrawl.dataset.dataset_table import open_table
from imgcrawl.dataset.typed_table import TypedTable
from imgcrawl.progress.display import has_terminal
from imgcrawl.records.errors import ArgumentError, ImgcrawlError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.records.extras import require_extra
from imgcrawl.storage.directory import REPORT, TYPED_TABLE
from imgcrawl.storage.open_output import OutFile, open_output
from imgcrawl.text.redact import plain_text

if TYPE_CHECKING:
    import argparse

    from scrapy.settings import BaseSettings

logger = logging.getLogger(__name__)

_ENDED = (ExitStatus.COMPLETE, ExitStatus.SOME_MISSING)


class Command(BaseRunSpiderCommand):
    """Takes the place of Scrapy's own ``crawl``, which exits 0 whatever happened."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[options] SPIDER [-a NAME=VALUE ...]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Download a dataset (`scrapy spiders` tells which, and with what arguments)"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare Scrapy's options; the help of one spider begins with its own arguments."""
        super().add_options(parser)
        general, parse = parser.format_help, parser.parse_known_args
        words: list[str] = []

        def parse_known_args(args: Any = None, namespace: Any = None) -> Any:
            typed = sys.argv[1:] if args is None else args
            words.extend(word for word in typed if word.isidentifier())
            return parse(args, namespace)

        def format_help() -> str:
            assert self.settings is not None
            try:
                return f"{as_text(spider_class(self.settings, words[0]))}\n\n{general()}"
            except (ArgumentError, IndexError):
                return general()

        parser.format_help = format_help  # type: ignore[method-assign]
        parser.parse_known_args = parse_known_args  # type: ignore[method-assign]

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run one spider to its end.

        Exit status 0: every promised record is stored; 3: some are missing; 2: wrong arguments;
        1: the run was stopped; 128 + N: by signal N.

        Relative paths begin at the folder in the environment variable IMGCRAWL_DIR, where it is
        set: jobs of Scrapyd start in Scrapyd's own.
        """
        name = _one_spider(args)
        assert self.settings is not None
        try:
            self._go_to_base()
            warnings = check_settings(self.settings)
            if _with_parquet(self.settings):
                require_extra("parquet")
            parse_arguments(spider_class(self.settings, name), opts.spargs)
        except ArgumentError as error:
            self._print_error(error)
            self.exitcode = ExitStatus.USAGE
            return
        for warning in warnings:
            self._print_error(f"warning: {warning}")
        process = CrawlProcess(self.settings)
        self.exitcode, failed = process.run(name, opts.spargs)
        if isinstance(failed, ImgcrawlError):
            self._print_error(failed)
        elif failed is not None:
            raise failed
        elif process.out is not None and self.exitcode in _ENDED:
            self._write_typed_table(process.out)
            self._report(process.out)

    def _write_typed_table(self, out: str) -> None:
        """Write the table with types, if it is asked for; a failure is told, and ends with 1."""
        assert self.settings is not None
        if not _with_parquet(self.settings):
            return
        try:
            with (
                open_output(out, self.settings, _written(TYPED_TABLE)) as (directory, _),
                open_table(directory) as table,
            ):
                typed = TypedTable(table)
                directory.write_file(TYPED_TABLE, partial(typed.write, rows=typed.rows()))
        except (ImgcrawlError, OSError) as error:
            self._print_error(f"{TYPED_TABLE} could not be written ({error})")
            self.exitcode = ExitStatus.FAILED

    def _report(self, out: str) -> None:
        """Write report.html of what people watched come; a report that fails changes nothing."""
        assert self.settings is not None
        watched = has_terminal(self.settings) or self.settings["PROGRESS_FILE"]  # by a page
        if not (self.settings.getbool("REPORT") and watched):
            return
        from imgcrawl.exports.report import write_report  # noqa: PLC0415 - most crawls have none

        try:
            with open_output(out, self.settings, _written(REPORT)) as (directory, storage):
                write_report(directory, storage, out)
        except Exception as error:  # of any kind: the crawl is done, and its exit status stands
            self._print_error(f"{REPORT} could not be written ({error})")
        else:
            sys.stdout.write(f"To look at it: {Path(out) / REPORT}\n")

    @staticmethod
    def _go_to_base() -> None:
        base = os.environ.get("IMGCRAWL_DIR")
        if not base:
            return
        try:
            Path(base).expanduser().mkdir(parents=True, exist_ok=True)
            os.chdir(Path(base).expanduser())
        except OSError as error:
            raise ArgumentError(
                f"{base} cannot be entered ({error.strerror or error}), where relative paths "
                "begin. Set IMGCRAWL_DIR to another folder, or unset it."
            ) from error

    def _print_error(self, error: Exception | str) -> None:
        command = type(self).__module__.rpartition(".")[2]
        sys.stderr.write(f"scrapy {command}: {plain_text(str(error))}\n")
        assert self.settings is not None
        if self.settings["LOG_FILE"]:  # a job's: nobody reads its standard error
            if get_scrapy_root_handler() is None:
                configure_logging(self.settings)
            logger.error("%s", error)


def _one_spider(args: list[str]) -> str:
    """Return the name of the spider. Raises UsageError if there are more words, or none."""
    if len(args) == 1:
        return args[0]
    words = "scrapy crawl takes one spider. `scrapy spiders` lists them."
    typed = re.search(r"(?:^| )-*(\w+)[= ]([^ ]+)", " ".join(args[1:]))
    if args and typed:
        word = shlex.quote(f"{typed[1]}={typed[2]}")
        words += f" An argument of a spider is typed with -a: scrapy crawl {args[0]} -a {word}"
    raise UsageError(words)


def _written(name: str) -> OutFile:
    return OutFile(name, "the crawl itself has just written there")


def _with_parquet(settings: BaseSettings) -> bool:
    return "parquet" in str(settings["TABLES"])
