"""Times by which something is repeated: five fields of cron in a time zone. Knows no table.

All five fields must fit a minute, the day of the month and the day of the week too, as Celery's
beat reads them. A time that a clock skips is due when the clock has passed it; one that comes twice
is due once.
"""

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from celery.schedules import ParseException, crontab
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _
from django_celery_beat import validators

from aihub.problems import N_, Problem

LEAST_MINUTES = 5  # between two runs
DAYS = 366 * 8  # between two leap days around 1900 or 2100
_DAY = 24 * 60
_NO_DAY = N_("There is no such day.")


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five: its name in Celery's words and in a reader's, and what checks it."""

    name: str
    label: Promise
    check: Callable[[str], None]


FIELDS = (
    Field("minute", _("minute"), validators.minute_validator),
    Field("hour", _("hour"), validators.hour_validator),
    Field("day_of_month", _("day of the month"), validators.day_of_month_validator),
    Field("month_of_year", _("month"), validators.month_of_year_validator),
    Field("day_of_week", _("day of the week"), validators.day_of_week_validator),
)


@dataclass(frozen=True)
class Cron:
    """The minutes of the day, and the days, at which something is due."""

    minutes: Sequence[int]  # since midnight, ascending
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # Sunday is 0
    zone: ZoneInfo

    def last(self, now: datetime) -> datetime | None:
        """The latest time due until `now`, in UTC."""
        local = now.astimezone(self.zone)
        for day in self._days(local.date(), -1):
            until = _minute_of(local) if day == local.date() else _DAY
            if place := bisect(self.minutes, until):
                return self._moment(day, self.minutes[place - 1])
        return None

    def next(self, now: datetime) -> datetime | None:
        """The first time due after `now`, in UTC; None where there is none in years."""
        local = now.astimezone(self.zone)
        for day in self._days(local.date(), 1):
            since = _minute_of(local) if day == local.date() else -1
            for minute in self.minutes[bisect(self.minutes, since) :]:
                if (moment := self._moment(day, minute)) > now:
                    return moment
        return None

    def least_gap(self) -> int:
        """The minutes between the two nearest times, were it due every day."""
        following = [*self.minutes[1:], self.minutes[0] + _DAY]
        return min(after - before for before, after in zip(self.minutes, following, strict=True))

    def _days(self, start: date, step: int) -> Iterator[date]:
        for distance in range(DAYS):
            day = start + timedelta(days=step * distance)
            if self._fits(day):
                yield day

    def _fits(self, day: date) -> bool:
        fits_date = day.month in self.months and day.day in self.days
        return fits_date and day.isoweekday() % 7 in self.weekdays

    def _moment(self, day: date, minute: int) -> datetime:
        local = datetime.combine(day, time(*divmod(minute, 60)), self.zone)
        return local.astimezone(UTC)


def _minute_of(local: datetime) -> int:
    return local.hour * 60 + local.minute


@lru_cache(maxsize=1000)
def cron_parse(text: str, zone: str) -> Cron:
    """What five fields mean in a time zone; `Problem` 400 that says which field does not fit."""
    values = text.split()
    if len(values) != len(FIELDS):
        raise _wrong("cron", N_("Cron has five fields: minute, hour, day, month, day of the week."))
    for field, value in zip(FIELDS, values, strict=True):
        _check(field, value)
    named = dict(zip((field.name for field in FIELDS), values, strict=True))
    try:
        found: Any = crontab(**named)
    except ValueError:
        raise _wrong("cron", _NO_DAY) from None
    return Cron(
        minutes=sorted(hour * 60 + minute for hour in found.hour for minute in found.minute),
        days=frozenset(found.day_of_month),
        months=frozenset(found.month_of_year),
        weekdays=frozenset(found.day_of_week),
        zone=_zone(zone),
    )


def cron_check(text: str, zone: str) -> Cron:
    """The same, of what a schedule may have; `Problem` 400 where it is due too often or never."""
    cron = cron_parse(text, zone)
    if cron.least_gap() < LEAST_MINUTES:
        raise _wrong("cron", N_("At most every %(least)s minutes."), least=LEAST_MINUTES)
    if cron.next(datetime.now(UTC)) is None:
        raise _wrong("cron", _NO_DAY)
    return cron


def _check(field: Field, value: str) -> None:
    """Both readers must take it: beat's table, which is strict, and Celery, which runs it."""
    try:
        field.check(value)
        crontab(**{field.name: value})
    except (ParseException, ValidationError, ValueError):
        message = N_("“%(value)s” does not fit the field “%(field)s”.")
        raise _wrong("cron", message, value=value, field=field.label) from None


def _zone(name: str) -> ZoneInfo:
    if name not in available_timezones():
        raise _wrong("timezone", N_("There is no time zone “%(zone)s”."), zone=name)
    return ZoneInfo(name)


def _wrong(name: str, message: str, /, **values: object) -> Problem:
    told = gettext(message) % values
    error = {"field": name, "detail": told}
    return Problem(400, N_("The request does not fit."), errors=[error])
