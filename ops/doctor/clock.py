"""The clock: leases, tokens and signed URLs need this machine and the servers to agree."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from django.conf import settings
from django.db import connection

from ops.doctor.findings import Finding, fail, ok, warn
from ops.doctor.storage import server_date

NOTICED, TOO_MUCH = 2.0, 30.0  # seconds
DO = "Synchronise both clocks by NTP (on the hosts: containers have their host's clock)."


def check() -> Iterator[Finding]:
    if connection.vendor == "mysql":
        yield judged("the database", *_timed_database())
    if settings.ENV.AIHUB_S3_ENDPOINT:
        before = time.time()
        date = server_date()
        now = time.time()
        if date:  # whole seconds: what it was is somewhere in the one that followed
            there = parsedate_to_datetime(date).timestamp()
            yield judged("the S3 server", there, before - 1, now)


def judged(who: str, there: float, before: float, after: float) -> Finding:
    """What a clock means that said `there` at some moment from `before` to `after`, ours."""
    skew = max(before - there, there - after, 0.0)
    if skew <= NOTICED:
        return ok(f"the clock agrees with that of {who}")
    what = f"the clock is {skew:.1f} s away from that of {who}"
    return fail(what, DO) if skew > TOO_MUCH else warn(what, DO)


def _timed_database() -> tuple[float, float, float]:
    before = time.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT UTC_TIMESTAMP(6)")
        there: datetime = cursor.fetchone()[0]
    return there.replace(tzinfo=UTC).timestamp(), before, time.time()
