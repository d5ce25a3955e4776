"""The words of a crontab, and the times they mean."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.scheduling.cron import parse_cron
from imgcrawl.scheduling.timers import on_calendar

START = datetime.fromisoformat("2026-11-21 12:00")  # a Saturday, by the clock on the wall


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", "2026-11-22 02:30, 2026-11-23 02:30"),
        ("0 12 * * *", "2026-11-22 12:00, 2026-11-23 12:00"),
        ("*/25 12 * * *", "2026-11-21 12:25, 2026-11-21 12:50, 2026-11-22 12:00"),
        ("0 0 * * MON-fri/2", "2026-11-23 00:00, 2026-11-25 00:00, 2026-11-27 00:00"),
        ("0 0 * * 7", "2026-11-22 00:00, 2026-11-29 00:00"),
        ("0 0 * * 6-7", "2026-11-22 00:00, 2026-11-28 00:00, 2026-11-29 00:00"),
        # Either day may hit, ...
        ("0 0 13 * fri", "2026-11-27 00:00, 2026-12-04 00:00, 2026-12-11 00:00, 2026-12-13 00:00"),
        # ... but one that begins with * must hit beside the other: odd days that are Sundays.
        ("0 0 */2 * sun", "2026-11-29 00:00, 2026-12-13 00:00, 2026-12-27 00:00"),
        ("0 0 1 dec,jan *", "2026-12-01 00:00, 2027-01-01 00:00, 2027-12-01 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00, 2032-02-29 00:00"),
        ("@monthly", "2026-12-01 00:00, 2027-01-01 00:00"),
    ],
)
def test_what_comes_next(text: str, expected: str) -> None:
    times = expected.split(", ")
    coming = islice(parse_cron(text).after(START), len(times))
    assert [f"{at:%Y-%m-%d %H:%M}" for at in coming] == times


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30 2 * *", "five fields"),
        ("@reboot", "five fields"),
        ("", "five fields"),
        ("60 2 * * *", "minute: '60' is not 0 to 59"),
        ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day of month"),
        ("0 0 * * 8", "day of week"),
        ("0 0 * * fri-sun", "at the end, Sunday is 7"),
        ("0 0 * foo *", "jan to dec"),
        ("5/2 * * * *", "a step goes with"),
        ("*/0 * * * *", "step"),
        ("1,,2 * * * *", "minute"),
        ("-1 * * * *", "minute"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 4,6 *", "never comes"),
        ("٣ * * * *", "minute"),
        ("0 0 1 1 *\n* * * * * rm", "five fields"),
    ],
)
def test_what_is_no_time_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_cron(text)


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    part = st.one_of(
        st.just("*"),
        value.map(str),
        st.tuples(value, value).map(lambda pair: f"{min(pair)}-{max(pair)}"),
        st.integers(1, high).map(lambda step: f"*/{step}"),
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


CRONS = st.tuples(
    numbers(0, 59), numbers(0, 23), numbers(1, 31), st.just("*"), numbers(0, 7)
).map(" ".join)  # fmt: skip


def in_field(word: str, value: int, low: int) -> bool:
    """Straight from the manual, a value at a time."""
    for part in word.split(","):
        body, _, step = part.partition("/")
        if body == "*":
            hit = (value - low) % int(step or 1) == 0
        else:
            first, _, last = body.partition("-")
            hit = int(first) <= value <= int(last or first)
        if hit:
            return True
    return False


@settings(deadline=None)
@given(CRONS, st.integers(0, 400 * 24 * 60))
def test_a_minute_is_hit_where_the_manual_says_so(text: str, minutes: int) -> None:
    at = START + timedelta(minutes=minutes)
    minute, hour, day, _, week = text.split()
    by_month = in_field(day, at.day, 1)
    weekday = at.isoweekday() % 7
    by_week = in_field(week, weekday, 0) or (weekday == 0 and in_field(
        ",".join(part for part in week.split(",") if "*" not in part) or "9", 7, 0
    ))  # fmt: skip
    star = day.startswith("*") or week.startswith("*")
    on_day = by_month and by_week if star else by_month or by_week
    expected = on_day and in_field(hour, at.hour, 0) and in_field(minute, at.minute, 0)
    cron = parse_cron(text)
    assert (at in cron.after(at - timedelta(minutes=1), at)) == expected


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_a_time_or_is_refused(text: str) -> None:
    try:
        cron = parse_cron(text)
    except ValueError:
        return
    assert all(0 <= at.minute < 60 for at in islice(cron.after(START), 3))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@settings(max_examples=15, deadline=None)
@given(CRONS)
def test_systemd_means_the_same_times(text: str) -> None:
    cron = parse_cron(text)
    base = "2026-11-21 12:00:00 UTC"
    coming: set[str] = set()
    for words in on_calendar(cron):
        command = ["systemd-analyze", "calendar", "--iterations=5", f"--base-time={base}", words]
        said = subprocess.run(
            command, capture_output=True, text=True, check=True, env={"TZ": "UTC"}, timeout=30
        ).stdout
        coming.update(re.findall(r"(?:Next elapse|Iter\. #\d): \w{3} (\S+ \S+) UTC", said))
    ours = [f"{at:%Y-%m-%d %H:%M:%S}" for at in islice(cron.after(START), 5)]
    assert ours == sorted(coming)[: len(ours)]
