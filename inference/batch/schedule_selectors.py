"""Reads: the schedules of batch jobs that a caller may see."""

from django.db.models import BigIntegerField, QuerySet

from aihub.access import Principal
from aihub.problems import N_, Problem
from inference.batch.selectors import seen_by
from inference.batch.services import may_steer
from inference.models import BatchSchedule


def schedules_visible(principal: Principal) -> QuerySet[BatchSchedule]:
    """The schedules that a principal may see, newest first."""
    schedules = BatchSchedule.objects.select_related("team", "last_job").order_by("-pk")
    return schedules.filter(seen_by(principal))


def schedule_get(principal: Principal, pk: int, *, steer: bool = False) -> BatchSchedule:
    """One of them; Problem 404 where it is not to be seen, 403 where it is another's to steer."""
    found = pk <= BigIntegerField.MAX_BIGINT and schedules_visible(principal).filter(pk=pk).first()
    if not found:
        raise Problem(404, N_("There is no schedule %(schedule)s."), schedule=pk)
    if steer and not may_steer(principal, found):
        raise Problem(
            403, N_("Only who made this schedule, and who publishes in its team, may do this.")
        )
    return found
