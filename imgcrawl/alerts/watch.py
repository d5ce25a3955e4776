"""One look at all schedules: what changed is told once, and what could not be told again later."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from imgcrawl.alerts.rules import Finding, judge, judge_disks, local_now, look_at
from imgcrawl.alerts.send import Alert, NotSent, send
from imgcrawl.records.errors import OutputError
from imgcrawl.storage.file_lock import lock
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from scrapy.settings import BaseSettings

    from imgcrawl.alerts.config import AlertConfig
    from imgcrawl.scheduling.schedules import Schedule


@dataclass(slots=True)
class _Told:
    """A state that is told: the alert, and the ways that have not taken it yet."""

    alert: dict[str, str]
    waiting: list[str]
    taken: list[str] = field(default_factory=list)


@dataclass(slots=True)
class WatchResult:
    """What a look came to."""

    bad: list[Finding] = field(default_factory=list)  # all that is bad now, told before or not
    sent: list[str] = field(default_factory=list)
    not_sent: list[str] = field(default_factory=list)
    unknown: list[Finding] = field(default_factory=list)


class Watch:
    """The memory of what was told, in one JSON file; a second watch at the same time is refused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._since: dict[str, str] = {}  # by schedule: local time of the first look, ISO 8601
        self._told: dict[str, _Told] = {}

    def look(
        self, schedules: Sequence[Schedule], config: AlertConfig, settings: BaseSettings
    ) -> WatchResult:
        """Look at every dataset, and tell what changed. Raises OutputError and OSError."""
        result = WatchResult()
        with self._open():
            self._since = {s.name: self._since.get(s.name, _now()) for s in schedules}
            for finding in self._findings(schedules, config, settings):
                if finding.bad is None:
                    result.unknown.append(finding)
                else:
                    self._note(finding, config)
                if finding.bad:
                    result.bad.append(finding)
            self._forget(schedules, config)
            self._save()
            for key, told in [*self._told.items()]:
                self._tell(key, told, config, result)
        return result

    def _findings(
        self, schedules: Sequence[Schedule], config: AlertConfig, settings: BaseSettings
    ) -> Iterator[Finding]:
        now = local_now()
        for schedule in schedules:
            look = look_at(schedule.out, settings)
            since = datetime.fromisoformat(self._since[schedule.name])
            yield from judge(schedule, look, config, now=now, since=since)
        if config.disk_below is not None:
            yield from judge_disks([*schedules], config.disk_below)

    def _note(self, finding: Finding, config: AlertConfig) -> None:
        """Keep what has to be told of a finding: a state that is not that of before."""
        told = self._told.get(finding.key)
        state = "bad" if finding.bad else "good"
        if told is not None and told.alert["state"] == state:
            return
        if told is None and not finding.bad:
            return
        # Who was not told that it is bad need not be told that it is good again.
        ways = [*config.channels] if finding.bad else (told.taken if told else [])
        alert = Alert(finding.schedule, finding.rule, state, utc_now(), finding.words, finding.out)
        self._told[finding.key] = _Told(asdict(alert), [*ways])
        if not finding.bad and not ways:
            del self._told[finding.key]

    def _forget(self, schedules: Sequence[Schedule], config: AlertConfig) -> None:
        """Forget what no schedule, and no way of telling, has any more."""
        names = {schedule.name for schedule in schedules} | {"disk"}
        for key, told in [*self._told.items()]:
            told.waiting = [way for way in told.waiting if way in config.channels]
            if told.alert["schedule"] not in names:
                del self._told[key]

    def _tell(self, key: str, told: _Told, config: AlertConfig, result: WatchResult) -> None:
        alert = Alert(**told.alert)
        for way in [*told.waiting]:
            try:
                send(config.channels[way], alert)
            except NotSent as error:
                result.not_sent.append(f"{way}: {error}. It is tried again: {alert.text}")
                continue
            result.sent.append(f"{way}: {alert.text}")
            told.waiting.remove(way)
            told.taken.append(way)
            self._save()  # at once: a kill tells nobody twice
        if alert.state == "good" and not told.waiting:
            del self._told[key]
            self._save()

    @contextmanager
    def _open(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("a") as held:
            try:
                lock(held)
            except BlockingIOError as error:
                raise OutputError(f"{self._path} is in use: another watch looks now") from error
            self._load()
            yield

    def _load(self) -> None:
        try:
            kept: Any = json.loads(self._path.read_text("utf-8"))
            self._since = {str(n): _time(t) for n, t in kept["since"].items()}
            self._told = {str(key): _Told(**told) for key, told in kept["told"].items()}
            for told in self._told.values():
                Alert(**told.alert)
        except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
            self._since, self._told = {}, {}  # told twice is better than never

    def _save(self) -> None:
        told = {key: asdict(each) for key, each in self._told.items()}
        text = json.dumps({"since": self._since, "told": told}, indent=1) + "\n"
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        temporary.write_text(text, "utf-8")
        temporary.replace(self._path)


def test_message() -> Alert:
    """Return what is sent to try a way out."""
    words = "if you read this, alerts reach you"
    return Alert("alerts", "test", "test", utc_now(), words)


def _now() -> str:
    return local_now().isoformat(timespec="seconds")


def _time(text: Any) -> str:
    return datetime.fromisoformat(str(text)).isoformat()
