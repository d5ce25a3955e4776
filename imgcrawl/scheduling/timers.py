"""Schedules exported: lines of a crontab, and units of systemd."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from imgcrawl.scheduling.cron import Cron
    from imgcrawl.scheduling.schedules import Schedule

LOGS = "data/logs"
WATCH = "alerts"  # the name of the job that looks for what is to be told
WATCH_MINUTES = 10
LOG_KILOBYTES = 20_480  # of a log that the next run sets aside; one is kept
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
# 3 is a crawl that finished while some links are dead, 143 one that was stopped on purpose.
_SUCCESS = "3 143"


def alerts_command(path: Path | None) -> list[str]:
    """Return the command that looks at the datasets of schedules. path: if not the project's."""
    command = [sys.executable, "-m", "scrapy", "schedules", "--alerts"]
    return command if path is None else [*command, str(path)]


def crontab(
    schedules: Iterable[Schedule], project: Path, watch: Sequence[str] | None = None
) -> str:
    """Return the lines between two marks, by which the next ones can take their place.

    watch: the command that looks for what is to be told
    """
    lines = [f"# BEGIN imgcrawl {project}"]
    jobs = [(s.name, s.when.text, s.command(), s.verify_command()) for s in schedules]
    if watch is not None:
        jobs.append((WATCH, f"*/{WATCH_MINUTES} * * * *", [*watch], None))
    for name, when, words, verify in jobs:
        command = (
            f"cd {shlex.quote(str(project))} && mkdir -p {LOGS} && {rotated(name)} && "
            f"{shlex.join(words)} >>{LOGS}/{name}.log 2>&1"
        )
        if verify is not None:  # also of what a run that failed has left
            command += f"; {shlex.join(verify)} >>{LOGS}/{name}.log 2>&1"
        # In a crontab a bare % ends the line.
        lines.append(f"{when} {command}".replace("%", r"\%"))
    lines.append(f"# END imgcrawl {project}")
    return "\n".join(lines) + "\n"


def systemd_units(
    schedules: Iterable[Schedule], project: Path, watch: Sequence[str] | None = None
) -> dict[str, str]:
    """Return the units by file name: a service and a timer for each schedule, and for the watch."""
    units = {}
    for schedule in schedules:
        unit = f"imgcrawl-{schedule.name}"
        what = f"{schedule.name} ({schedule.spider})"
        verify = schedule.verify_command()
        more = f"ExecStopPost=-{_exec(verify)}\n" if verify else ""
        units[f"{unit}.service"] = _service(what, schedule.command(), project, more)
        units[f"{unit}.timer"] = _timer(
            f"{schedule.name} runs ({schedule.when.text})",
            "\n".join(f"OnCalendar={words}" for words in on_calendar(schedule.when)),
        )
    if watch is not None:
        # Secrets stand in a file that only its owner may read (mode 600), if not otherwise.
        more = f"EnvironmentFile=-{str(project).replace('%', '%%')}/alerts.env\n"
        units[f"imgcrawl-{WATCH}.service"] = _service("alerts", watch, project, more)
        every = f"OnCalendar=*-*-* *:0/{WATCH_MINUTES}:00"
        units[f"imgcrawl-{WATCH}.timer"] = _timer("alerts are looked for", every)
    return units


def on_calendar(cron: Cron) -> list[str]:
    """Return the same times as systemd writes them; two where either kind of day may hit."""
    fields = cron.fields()
    months, days = _numbers(fields.months, 12), _numbers(fields.days, 31)
    clock = f"{_numbers(fields.hours, 24)}:{_numbers(fields.minutes, 60)}:00"
    # cronsim's days may be pairs ("the last Friday"); parse_cron refuses those.
    weekdays = sorted({day % 7 for day in fields.weekdays if isinstance(day, int)})
    week = ",".join(_DAYS[day] for day in weekdays)
    weekly = "" if len(weekdays) == 7 else f"{week} "
    if not fields.day_and:
        return [f"*-{months}-{days} {clock}", f"{week} *-{months}-* {clock}"]
    return [f"{weekly}*-{months}-{days} {clock}"]


def _numbers(values: Iterable[int], all_of_them: int) -> str:
    values = sorted(values)
    return "*" if len(values) == all_of_them else ",".join(f"{value:02d}" for value in values)


def rotated(name: str) -> str:
    """Return the command that sets a log aside before it is appended to, once it is too long."""
    return rf"find {LOGS} -name {name}.log -size +{LOG_KILOBYTES}k -exec mv -f {{}} {{}}.1 \;"


def _service(what: str, command: Sequence[str], project: Path, more: str = "") -> str:
    return f"""\
# Made by `scrapy schedules --systemd`; the next one writes it anew.
[Unit]
Description=imgcrawl: {what}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={str(project).replace("%", "%%")}
ExecStart={_exec(command)}
SuccessExitStatus={_SUCCESS}
{more}# The crawl ends what is under way; its children need no signal of their own.
KillMode=mixed
TimeoutStopSec=15min
"""


def _timer(what: str, calendar: str) -> str:
    return f"""\
# Made by `scrapy schedules --systemd`; the next one writes it anew.
[Unit]
Description=imgcrawl: when {what}

[Timer]
{calendar}
# What was missed while the machine was off is run when it is on.
Persistent=true

[Install]
WantedBy=timers.target
"""


def _exec(command: Sequence[str]) -> str:
    """Return a command line as systemd reads it back."""
    return " ".join(_quote(word) for word in command)


def _quote(word: str) -> str:
    word = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$-]+", word, re.ASCII):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
