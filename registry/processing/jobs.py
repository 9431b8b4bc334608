"""The job table: enqueue, claim by lease, keep alive, finish.

A claim is one conditional UPDATE, so that of any number of workers exactly one gets a job, on
every database. A lease that is not renewed ends by itself: that is all there is to recovery.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from aihub import request_context
from registry.models import Job

LEASE = timedelta(seconds=10)
RENEW_EVERY = 2.5  # seconds
MAX_ATTEMPTS = 3
RETRY_AFTER = timedelta(seconds=5)


class LeaseLost(Exception):
    """Another worker has the job now: stop and write nothing."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job, as long as it is renewed. `attempt` counts from 1."""

    job_id: int
    kind: str
    subject_id: int
    owner: str
    attempt: int
    request_id: str = ""

    def renew(self) -> bool:
        """Extend the lease; False once somebody else has it."""
        now = timezone.now()
        return bool(self._held().update(lease_expires_at=now + LEASE, heartbeat_at=now))

    def held(self) -> bool:
        """Whether this worker still has the job; inside a transaction, until its end."""
        return bool(self._held().update(heartbeat_at=timezone.now()))

    def confirm(self) -> None:
        """As `held`, raising LeaseLost where it is not."""
        if not self.held():
            raise LeaseLost

    def forget_attempts(self) -> bool:
        """Count this attempt as the first."""
        return bool(self._held().update(attempts=1))

    def succeed(self) -> bool:
        return self._finish(Job.States.SUCCEEDED, "")

    def fail(self, error: str) -> bool:
        return self._finish(Job.States.FAILED, error)

    def give_back(self, error: str = "", pause: timedelta = RETRY_AFTER) -> bool:
        """Let the job be claimed again after a pause; this attempt does not count."""
        return bool(
            self._held().update(
                state=Job.States.QUEUED,
                lease_owner="",
                lease_expires_at=None,
                not_before=timezone.now() + pause,
                attempts=F("attempts") - 1,
                error=error[:2000],
            )
        )

    def _finish(self, state: str, error: str) -> bool:
        return bool(
            self._held().update(
                state=state,
                error=error[:2000],
                lease_owner="",
                lease_expires_at=None,
                finished_at=timezone.now(),
            )
        )

    def _held(self) -> QuerySet[Job]:
        return Job.objects.filter(pk=self.job_id, state=Job.States.RUNNING, lease_owner=self.owner)


def enqueue(kind: str, subject_id: int, *, priority: int = 0) -> Job:
    """Add work, in the caller's transaction; the same work twice is one job."""
    job, _ = Job.objects.get_or_create(
        kind=kind,
        subject_id=subject_id,
        defaults={
            "priority": priority,
            "not_before": timezone.now(),
            "request_id": request_context.current().request_id,
        },
    )
    return job


def restart(again: QuerySet[Job], *, as_new: bool) -> int:
    """Have jobs done once more, also those that run: whoever runs one loses its lease.

    `as_new`: as if they had been enqueued now. Answers how many there were.
    """
    now = timezone.now()
    changes = {"created_at": now} if as_new else {}
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
    now = timezone.now()
    for job in _free(now, kinds).order_by("-priority", "pk")[:10]:
        owner = f"{worker[:31]}:{uuid.uuid4().hex}"
        taken = Job.objects.filter(_claimable(now), pk=job.pk, attempts=job.attempts).update(
            state=Job.States.RUNNING,
            lease_owner=owner,
            lease_expires_at=now + LEASE,
            heartbeat_at=now,
            attempts=F("attempts") + 1,
        )
        if taken:
            return Lease(job.pk, job.kind, job.subject_id, owner, job.attempts + 1, job.request_id)
    return None


def has_claimable(kinds: Collection[str] | None = None, *, above: int | None = None) -> bool:
    """Whether a job waits for a worker: of these kinds or any, of a priority above this one."""
    free = _free(timezone.now(), kinds)
    return (free if above is None else free.filter(priority__gt=above)).exists()


def _free(now: datetime, kinds: Collection[str] | None) -> QuerySet[Job]:
    free = Job.objects.filter(_claimable(now))
    return free if kinds is None else free.filter(kind__in=kinds)


def _claimable(now: datetime) -> Q:
    waiting = Q(state=Job.States.QUEUED, not_before__lte=now)
    abandoned = Q(state=Job.States.RUNNING, lease_expires_at__lt=now)
    return waiting | abandoned
