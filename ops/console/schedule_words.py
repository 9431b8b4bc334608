"""Times of schedules in words, and how schedules look in the console."""

import calendar
import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from cron_descriptor import (
    FormatException,
    MissingFieldException,
    Options,
    WrongArgumentException,
    get_description,
)
from django.urls import reverse
from django.utils import timezone
from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy as _

from inference.batch.cron import cron_parse
from inference.models import BatchSchedule
from inference.models.schedules import Outcome
from ops.console.looks import badge

_TONES = {Outcome.MADE: "good", Outcome.SKIPPED: "warn", Outcome.FAILED: "bad"}
# The library has the days' and months' names from Python, which has them in English.
_NAMES = {
    **{calendar.day_name[number]: name for number, name in WEEKDAYS.items()},
    **{calendar.month_name[number]: name for number, name in MONTHS.items()},
}
_NAME = re.compile("|".join(_NAMES))


def cron_words(cron: str) -> str:
    """Five fields of cron as a person says them, in the reader's language."""
    chinese = (get_language() or "").startswith("zh")
    said = _described(cron, "zh_CN" if chinese else "en_US")
    return _NAME.sub(lambda found: str(_NAMES[found[0]]), said)


@lru_cache(maxsize=1000)
def _described(cron: str, locale: str) -> str:
    options = Options()
    options.locale_code, options.use_24hour_time_format = locale, True
    try:
        return str(get_description(cron, options))
    except (FormatException, MissingFieldException, WrongArgumentException):
        return cron


def runs_next(schedule: BatchSchedule, count: int) -> Iterator[datetime]:
    """When it is due next, in its own time zone."""
    cron = cron_parse(schedule.cron, schedule.timezone)
    moment: datetime | None = timezone.now()
    for _number in range(count):
        if moment is None or (moment := cron.next(moment)) is None:
            return
        yield moment.astimezone(cron.zone)


def schedule_badge(schedule: BatchSchedule) -> SafeString:
    return badge(_("on"), "good") if schedule.active else badge(_("off"))


def outcome_badge(schedule: BatchSchedule) -> SafeString | str:
    """How the last run went; what went wrong is said when one points at it."""
    if not schedule.last_outcome:
        return "–"
    outcome = Outcome(schedule.last_outcome)
    shown = badge(outcome.label, _TONES[outcome])
    return format_html('<span title="{}">{}</span>', schedule.error, shown)


def job_link(pk: int) -> SafeString:
    url = reverse("admin:batch_job", args=[pk])
    return format_html('<a class="hub-link" href="{}">#{}</a>', url, str(pk))
