"""The job table: enqueue, claim, finish."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import transaction
from django.db.models import Count, F, Min, Q, QuerySet
from django.utils import timezone

from aihub import request_context, tracing
from registry.models import Job, Leased
from registry.processing import counting
from registry.processing.leases import LEASE, RENEW_EVERY, Claim, LeaseLost, lease_take

__all__ = [
    "LEASE",
    "MAX_ATTEMPTS",
    "RENEW_EVERY",
    "RETRY_AFTER",
    "Lease",
    "LeaseLost",
    "claim",
    "enqueue",
    "has_claimable",
    "jobs_waiting",
    "restart",
]

MAX_ATTEMPTS = 3
RETRY_AFTER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Lease(Claim):
    """The right to work on a job. `attempt` counts from 1.

    `ended` holds how this attempt ended, once that is committed; nothing where it was lost.
    """

    table: ClassVar[type[Leased]] = Job

    kind: str
    subject_id: int
    attempt: int
    request_id: str = ""
    traceparent: str = ""
    ended: list[str] = field(default_factory=list, compare=False, repr=False)

    def forget_attempts(self) -> bool:
        """Count this attempt as the first."""
        return bool(self.rows().update(attempts=1))

    def succeed(self) -> bool:
        return self._finish(Job.States.SUCCEEDED, "", counting.DONE)

    def fail(self, error: str, outcome: str = counting.FAILED) -> bool:
        return self._finish(Job.States.FAILED, error, outcome)

    def give_back(self, error: str = "", pause: timedelta = RETRY_AFTER) -> bool:
        """Let the job be claimed again after a pause; this attempt does not count."""
        return self._end(
            counting.RETRIED,
            state=Job.States.QUEUED,
            not_before=timezone.now() + pause,
            attempts=F("attempts") - 1,
            error=error[:2000],
        )

    def _finish(self, state: str, error: str, outcome: str) -> bool:
        return self._end(outcome, state=state, error=error[:2000], finished_at=timezone.now())

    def _end(self, outcome: str, **changes: object) -> bool:
        ended = self.rows().update(lease_owner="", lease_expires_at=None, **changes)
        if ended:
            transaction.on_commit(lambda: self.ended.append(outcome))
        return bool(ended)


def enqueue(kind: str, subject_id: int, *, priority: int = 0) -> Job:
    """Add work, in the caller's transaction; the same work twice is one job."""
    job, _ = Job.objects.get_or_create(
        kind=kind,
        subject_id=subject_id,
        defaults={
            "priority": priority,
            "not_before": timezone.now(),
            "request_id": request_context.kept_id(),
            "traceparent": tracing.traceparent(),
        },
    )
    return job


def restart(again: QuerySet[Job], *, as_new: bool) -> int:
    """Have jobs done once more, also those that run: whoever runs one loses its lease.

    `as_new`: as if they had been enqueued now, by whoever asks. Answers how many there were.
    """
    now = timezone.now()
    asked = {
        "created_at": now,
        "request_id": request_context.kept_id(),
        "traceparent": tracing.traceparent(),
    }
    changes = asked if as_new else {}
    return again.update(
        state=Job.States.QUEUED,
        lease_owner="",
        lease_expires_at=None,
        not_before=now,
        attempts=0,
        error="",
        finished_at=None,
        **changes,
    )


def claim(worker: str, kinds: Collection[str] | None = None) -> Lease | None:
    """Take the most urgent job that is free, of these kinds or of any, or None."""
    free = _free(timezone.now(), kinds)
    for job in free.order_by("-priority", "pk")[:10]:
        if owner := lease_take(free, job, worker, state=Job.States.RUNNING):
            return Lease(
                *(job.pk, owner, job.kind, job.subject_id, job.attempts + 1),
                request_id=job.request_id,
                traceparent=job.traceparent,
            )
    return None


def has_claimable(kinds: Collection[str] | None = None, *, above: int | None = None) -> bool:
    """Whether a job waits for a worker: of these kinds or any, of a priority above this one."""
    free = _free(timezone.now(), kinds)
    return (free if above is None else free.filter(priority__gt=above)).exists()


def jobs_waiting() -> dict[str, tuple[int, datetime | None]]:
    """How many jobs of each kind wait for a worker, and since when the oldest that may not wait.

    Work of low priority may.
    """
    counted = _free(timezone.now(), None).order_by().values_list("kind")
    found = counted.annotate(count=Count("pk"), oldest=Min("not_before", filter=Q(priority__gte=0)))
    return {kind: (count, oldest) for kind, count, oldest in found}


def _free(now: datetime, kinds: Collection[str] | None) -> QuerySet[Job]:
    # The states by themselves lead the database to the index: most jobs are over.
    open_ = (Job.States.QUEUED, Job.States.RUNNING)
    free = Job.objects.filter(_claimable(now), state__in=open_)
    return free if kinds is None else free.filter(kind__in=kinds)


def _claimable(now: datetime) -> Q:
    waiting = Q(state=Job.States.QUEUED, not_before__lte=now)
    abandoned = Q(state=Job.States.RUNNING, lease_expires_at__lt=now)
    return waiting | abandoned
