"""Cron's words for times: ``30 2 * * mon-fri``, ``@daily``.

As in Debian's and Red Hat's cron: where day of month and day of week are both given, either may
hit; where one of them begins with ``*``, both must.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_YEARS = 9  # in which 29 February comes for certain, 2100 or no


@dataclass(frozen=True, slots=True)
class Cron:
    """The times that a line of five fields means. Days of the week: 0 is Sunday."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool  # day of month or day of week, in place of both

    def is_on(self, day: datetime) -> bool:
        """Whether anything runs on the day of `day`."""
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_month or by_week) if self.either_day else (by_month and by_week)

    def after(self, start: datetime, until: datetime | None = None) -> Iterator[datetime]:
        """The times after `start`, as a wall clock shows them, to `until` or for nine years.

        In the hour that a change to summer time leaves out, cron and systemd run a little later.
        """
        end = until or start + timedelta(days=366 * _YEARS)
        day = datetime.combine(start, time())
        while day <= end:
            if self.is_on(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        at = day.replace(hour=hour, minute=minute)
                        if start < at <= end:
                            yield at
            day += timedelta(days=1)


def parse_cron(text: str) -> Cron:
    """Read five fields, or an @word. Raises ValueError that says which field is wrong, and how."""
    words = _ALIASES.get(text.strip().lower(), text).split()
    if len(words) != len(_FIELDS):
        raise ValueError(
            f"{text!r} is no time: type five fields (minute, hour, day of month, month, day of "
            f"week) such as '30 2 * * *', or one of {', '.join(sorted(_ALIASES))}"
        )
    sets = [field.parse(word) for word, field in zip(words, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = sets
    cron = Cron(
        " ".join(words),
        minutes,
        hours,
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        either_day=not (words[2].startswith("*") or words[4].startswith("*")),
    )
    if not cron.either_day and not _ever(cron):
        raise ValueError(f"{text!r} never comes: no month of it has such a day")
    return cron


def _ever(cron: Cron) -> bool:
    longest = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    return any(min(cron.days) <= longest.get(month, 31) for month in cron.months)


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five: what it counts, from where to where, and the names it has for them."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def parse(self, word: str) -> frozenset[int]:
        """The values of a list such as ``1,10-20/5``."""
        return frozenset(value for part in word.split(",") for value in self._part(part))

    def _part(self, part: str) -> range:
        match = re.fullmatch(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\w+))?", part, re.ASCII)
        if not match:
            raise self._wrong(f"{part!r} is not *, a value, a range or a step")
        first, last, step = match.groups()
        if step is not None and first is not None and last is None:
            raise self._wrong(
                f"{part!r}: a step goes with * or a range, such as {first}-{self.high}/2"
            )
        start = self.low if first is None else self._value(first)
        end = self.high if first is None else start if last is None else self._value(last)
        if end < start:
            hint = " (at the end, Sunday is 7)" if self.high == 7 else ""
            raise self._wrong(f"{part!r} goes backwards{hint}")
        if step is not None and (not step.isdigit() or not 1 <= int(step[:4]) <= self.high):
            raise self._wrong(f"a step of {step!r} is not 1 to {self.high}")
        if first is None and self.high == 7:
            end = 6  # 7 is Sunday too, and would be a step of its own
        return range(start, end + 1, int(step or 1))

    def _value(self, text: str) -> int:
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.low
        if not text.isdigit() or len(text) > 4 or not self.low <= int(text) <= self.high:
            known = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
            raise self._wrong(f"{text!r} is not {self.low} to {self.high}{known}")
        return int(text)

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"{self.name}: {why}")


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)
