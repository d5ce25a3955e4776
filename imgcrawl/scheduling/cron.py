"""Times as a crontab of Debian or Red Hat has them: ``30 2 * * mon-fri``, ``@daily``.

cronsim knows which times they mean. It reads more than a crontab may hold (seconds, ``L``, ``#``,
``5/2``): that is refused here, since cron would.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# What each field counts, its highest number, and what may stand in it.
_FIELDS = (
    ("minute", 59, "0 to 59"),
    ("hour", 23, "0 to 23"),
    ("day of month", 31, "1 to 31"),
    ("month", 12, "1 to 12, or jan to dec"),
    ("day of week", 7, "0 to 7, or sun to sat; at the end, Sunday is 7"),
)
_VALUE = r"(?:\d{1,4}|[a-z]{3})"
_PART = re.compile(rf"(?:\*|{_VALUE}-{_VALUE})(?:/(\d+))?|{_VALUE}", re.ASCII | re.IGNORECASE)
_STEP_FROM = re.compile(rf"({_VALUE})/\d+", re.ASCII | re.IGNORECASE)
_ANY_TIME = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall clock's, like all here


@dataclass(frozen=True, slots=True)
class Cron:
    """The times that a line of five fields means, checked by `parse_cron`."""

    text: str

    def after(self, start: datetime, until: datetime | None = None) -> Iterator[datetime]:
        """Yield the times after `start`, as a wall clock shows them, to `until` or without end.

        In the hour that a change to summer time leaves out, cron and systemd run a little later.
        """
        times = CronSim(self.text, start)
        return times if until is None else takewhile(lambda at: at <= until, times)

    def fields(self) -> CronSim:
        """Return the numbers of each field, as cronsim has them: Sunday is 0 and 7."""
        return CronSim(self.text, _ANY_TIME)


def parse_cron(text: str) -> Cron:
    """Read five fields, or an @word. Raise ValueError that says which field is wrong, and how."""
    words = _ALIASES.get(text.strip().lower(), text).split()
    if len(words) != len(_FIELDS):
        raise ValueError(
            f"{text!r} is no time: type five fields (minute, hour, day of month, month, day of "
            f"week) such as '30 2 * * *', or one of {', '.join(sorted(_ALIASES))}"
        )
    for position, word in enumerate(words):
        _check_field(position, word)
    cron = Cron(" ".join(words))
    try:
        cron.fields()
    except CronSimError as error:
        raise ValueError(f"{text!r} never comes: no month of it has such a day") from error
    return cron


def _check_field(position: int, word: str) -> None:
    """Check one field alone. Raise ValueError that says what may stand there."""
    name, highest, values = _FIELDS[position]
    for part in word.split(","):
        if match := _STEP_FROM.fullmatch(part):
            raise ValueError(
                f"{name}: {part!r}: a step goes with * or a range, such as {match[1]}-{highest}/2"
            )
        match = _PART.fullmatch(part)
        fields = ["*"] * len(_FIELDS)
        fields[position] = part
        try:
            if match is None or int((match[1] or "0")[:4]) > highest:
                raise CronSimError
            CronSim(" ".join(fields), _ANY_TIME)
        except CronSimError as error:
            hint = f", with a step of 1 to {highest}" if "/" in part else ""
            raise ValueError(f"{name}: {part!r} is not {values}{hint}") from error
