"""Five fields of cron: what they mean, what is refused, and that beat reads them alike."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.schedules import crontab

from aihub.problems import Problem
from inference.batch.cron import cron_check, cron_parse

NOON = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "zone", "last", "following"),
    [
        ("0 12 * * *", "UTC", "2026-03-04T12:00", "2026-03-05T12:00"),
        ("*/15 * * * *", "UTC", "2026-03-04T12:00", "2026-03-04T12:15"),
        ("30 2 * * *", "Asia/Shanghai", "2026-03-03T18:30", "2026-03-04T18:30"),
        ("0 9 * * mon-fri", "America/New_York", "2026-03-03T14:00", "2026-03-04T14:00"),
        ("0 9 * * 0", "UTC", "2026-03-01T09:00", "2026-03-08T09:00"),
        ("0 0 1 jan *", "UTC", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("0 0 29 2 *", "UTC", "2024-02-29T00:00", "2028-02-29T00:00"),
        ("0 0 13 * 5", "UTC", "2026-02-13T00:00", "2026-03-13T00:00"),  # both must fit
    ],
)
def test_what_is_due(text: str, zone: str, last: str, following: str) -> None:
    cron = cron_check(text, zone)
    assert cron.last(NOON) == datetime.fromisoformat(f"{last}+00:00")
    assert cron.next(NOON) == datetime.fromisoformat(f"{following}+00:00")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "five fields"),
        ("0 12 * *", "five fields"),
        ("@daily", "five fields"),
        ("61 * * * *", "“61” does not fit the field “minute”"),
        ("mon * * * *", "“mon” does not fit the field “minute”"),
        ("0 24 * * *", "“24” does not fit the field “hour”"),
        ("0 0 0 * *", "“0” does not fit the field “day of the month”"),
        ("0 0 * 13 *", "“13” does not fit the field “month”"),
        ("0 0 * * 7", "“7” does not fit the field “day of the week”"),
        ("0 0 * * fri-mon", "“fri-mon” does not fit the field “day of the week”"),
        ("*/0 * * * *", "“*/0” does not fit"),
        ("1,,2 * * * *", "“1,,2” does not fit"),
        ("%s * * * *", "“%s” does not fit"),
        ("* * * * *", "every 5 minutes"),
        ("*/4 * * * *", "every 5 minutes"),
        ("58,0 23,0 * * *", "every 5 minutes"),  # over midnight
        ("0 0 30 2 *", "no such day"),
        ("0 0 29 2 1", "no such day"),  # not for many years
    ],
)
def test_what_does_not_fit_is_said(text: str, said: str) -> None:
    with pytest.raises(Problem) as told:
        cron_check(text, "UTC")
    assert told.value.status == 400
    assert told.value.errors[0]["field"] == "cron"
    assert said in told.value.errors[0]["detail"]


def test_every_five_minutes_is_often_enough() -> None:
    assert cron_check("*/5 * * * *", "UTC")
    assert cron_check("58,0 3 * * *", "UTC")  # 3:00 and 3:58


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "UTC+8"])
def test_a_zone_that_is_none_is_said(zone: str) -> None:
    with pytest.raises(Problem) as told:
        cron_check("0 0 * * *", zone)
    assert told.value.errors[0]["field"] == "timezone"


def test_a_time_that_a_clock_skips_is_due_when_the_clock_has_passed_it() -> None:
    cron = cron_parse("30 2 * * *", "Europe/Berlin")  # 2:00 becomes 3:00 on 2026-03-29
    before = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)
    after = datetime(2026, 3, 29, 1, 1, tzinfo=UTC)
    assert cron.last(before) == datetime(2026, 3, 28, 1, 30, tzinfo=UTC)
    due = cron.last(after)
    assert due is not None
    assert due.date() == after.date()
    assert cron.last(after + timedelta(hours=3)) == due


def test_a_time_that_comes_twice_is_due_once() -> None:
    cron = cron_parse("30 2 * * *", "Europe/Berlin")  # 3:00 becomes 2:00 on 2026-10-25
    first, second = (datetime(2026, 10, 25, hour, 31, tzinfo=UTC) for hour in (0, 1))
    assert cron.last(first) == cron.last(second)
    assert cron.next(first) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_beat_starts_when_this_says() -> None:
    chance = random.Random(5)
    for _ in range(300):
        fields = [
            chance.choice(["*/5", "0", "7,37", "10-50/20"]),
            chance.choice(["*", "3", "*/6", "8-18", "0,23"]),
            chance.choice(["*", "1", "15,31", "*/7"]),
            chance.choice(["*", "1", "2,6", "*/3"]),
            chance.choice(["*", "0", "1-5", "sat"]),
        ]
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(1_000_000))
        cron, following = cron_parse(" ".join(fields), "UTC"), _of_celery(fields, now)
        assert cron.next(now) == following, (fields, now)
        assert cron.last(following) == following


def _of_celery(fields: list[str], now: datetime) -> datetime:
    minute, hour, day, month, weekday = fields
    times = crontab(minute, hour, weekday, day, month, nowfun=lambda: now)
    start, delta, _ = times.remaining_delta(now, tz=UTC)
    found: Any = start + delta
    return found
