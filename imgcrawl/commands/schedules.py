"""``scrapy schedules``: what schedules.toml runs when, as a list, a crontab or systemd units."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError
from scrapy.utils.conf import closest_scrapy_cfg

from imgcrawl.alerts.config import AlertConfig, read_alerts
from imgcrawl.alerts.send import NotSent, send
from imgcrawl.alerts.watch import Watch, test_message
from imgcrawl.crawl.spider_loader import spider_loader
from imgcrawl.records.errors import ArgumentError, OutputError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.scheduling.schedules import FILE, Schedule, collisions, read_schedules, runs
from imgcrawl.scheduling.timers import alerts_command, crontab, systemd_units

if TYPE_CHECKING:
    import argparse

_MAX_SHOWN = 500


class Command(ScrapyCommand):
    """Lists the next runs; with a switch, prints a crontab or writes systemd's units."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[--days N | --crontab | --systemd DIR | --alerts | --test-alerts] [FILE.toml]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return f"List what {FILE} runs when; make a crontab or systemd timers of it"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options: what is made of the file."""
        super().add_options(parser)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--days", type=float, default=7, help="to list (default: 7)")
        which.add_argument("--crontab", action="store_true", help="print the lines of a crontab")
        which.add_argument("--systemd", type=Path, metavar="DIR", help="write the units there")

        which.add_argument(
            "--alerts", action="store_true", help="look at all datasets, and tell what changed"
        )
        which.add_argument(
            "--test-alerts", action="store_true", help="send a test message in each way"
        )

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """List or export the schedules; exit status 2 if the file is wrong, and nothing is made."""
        if len(args) > 1:
            raise UsageError("scrapy schedules takes one file")
        if not 0 < opts.days <= 3660:
            raise UsageError("--days takes a number above 0, 3660 at most")
        project = Path(closest_scrapy_cfg()).absolute().parent
        path = Path(args[0]).absolute() if args else project / FILE
        folder = opts.systemd.expanduser().absolute() if opts.systemd else None
        os.chdir(project)  # where each crawl will start, so that lists are found as it finds them
        assert self.settings is not None
        try:
            schedules = read_schedules(path, spider_loader(self.settings), project)
            alerts = read_alerts(path)
            if alerts is None and (opts.alerts or opts.test_alerts):
                raise ArgumentError(f"{path} has no [alert] table: docs/operating.md has one")
        except ArgumentError as error:
            sys.stderr.write(f"scrapy schedules: {error}\n")
            self.exitcode = ExitStatus.USAGE
            return
        if alerts is not None and (opts.alerts or opts.test_alerts):
            self.exitcode = try_out(alerts) if opts.test_alerts else self._watch(schedules, alerts)
            return
        watch = alerts_command(path if args else None) if alerts else None
        if opts.crontab:
            sys.stdout.write(crontab(schedules, project, watch))
        elif folder:
            write_units(folder, systemd_units(schedules, project, watch))
        else:
            show(schedules, opts.days)
        for sentence in collisions(schedules, datetime.now(), 366):  # noqa: DTZ005 - as cron's clock
            sys.stderr.write(f"scrapy schedules: {sentence}\n")

    def _watch(self, schedules: list[Schedule], alerts: AlertConfig) -> int:
        """Look at all datasets once. Return 1 if something could not be told, or looked into."""
        assert self.settings is not None
        try:
            result = Watch(Path(alerts.table.state)).look(schedules, alerts, self.settings)
        except (OutputError, OSError) as error:
            sys.stderr.write(f"scrapy schedules: {error}\n")
            return ExitStatus.FAILED
        for line in result.sent:
            sys.stdout.write(f"told by {line}\n")
        for finding in result.unknown:
            if finding.rule == "failed":
                result.not_sent.append(finding.words)
        for line in result.not_sent:
            sys.stderr.write(f"scrapy schedules: {line}\n")
        sys.stdout.write(f"{len(result.bad)} bad of {len(schedules)} schedules\n")
        for finding in result.bad:
            sys.stdout.write(f"  {finding.schedule}: {finding.words}\n")
        return ExitStatus.FAILED if result.not_sent else ExitStatus.COMPLETE


def try_out(alerts: AlertConfig) -> int:
    """Send a test message in each way, and say which took it. Return 1 if one did not."""
    status = ExitStatus.COMPLETE
    for name, channel in alerts.channels.items():
        try:
            send(channel, test_message())
        except NotSent as error:
            sys.stdout.write(f"{name}: not sent: {error}\n")
            status = ExitStatus.FAILED
        else:
            sys.stdout.write(f"{name}: taken\n")
    return status


def show(schedules: list[Schedule], days: float) -> None:
    """Print what runs, and when it does in the next days."""
    now = datetime.now()  # noqa: DTZ005 - cron and systemd go by the clock on the wall
    zone = now.astimezone()
    for schedule in schedules:
        sys.stdout.write(f"{schedule.name}  ({schedule.when.text})\n  {schedule}\n")
        sys.stdout.write(f"  into {schedule.out}\n")
    sys.stdout.write(f"\nThe next {days:g} days, local time ({zone:%Z, UTC%z}):\n")
    coming = list(runs(schedules, now, days))
    for at, schedule in coming[:_MAX_SHOWN]:
        sys.stdout.write(f"  {at:%a %Y-%m-%d %H:%M}  {schedule.name}\n")
    if len(coming) > _MAX_SHOWN:
        sys.stdout.write(f"  ... and {len(coming) - _MAX_SHOWN:,} more\n")
    if not coming:
        sys.stdout.write("  nothing\n")


def write_units(folder: Path, units: dict[str, str]) -> None:
    """Write systemd's units, and print what to type next, also for those no longer wanted."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in units.items():
        (folder / name).write_text(text, "utf-8")
        sys.stdout.write(f"{folder / name}\n")
    timers = " ".join(name for name in sorted(units) if name.endswith(".timer"))
    if timers:
        sys.stdout.write(f"\nsystemctl daemon-reload && systemctl enable --now {timers}\n")
    for old in sorted(folder.glob("imgcrawl-*.timer")):
        if old.name not in units:
            service = old.with_suffix(".service")
            sys.stdout.write(
                f"{old.name} is scheduled no longer: systemctl disable --now {old.name} && "
                f"rm {old} {service}\n"
            )
