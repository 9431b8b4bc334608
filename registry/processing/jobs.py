"""The job table: enqueue, claim by lease, keep alive, finish.

A claim is one conditional UPDATE, so that of any number of workers exactly one gets a job, on
every database. A lease that is not renewed ends by itself: that is all there is to recovery.
"""

import uuid
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

    def succeed(self) -> bool:
        return self._finish(Job.States.SUCCEEDED, "")

    def fail(self, error: str) -> bool:
        return self._finish(Job.States.FAILED, error)

    def give_back(self, error: str) -> bool:
        """Let the job be claimed again after a pause; this attempt does not count."""
        return bool(
            self._held().update(
                state=Job.States.QUEUED,
                lease_owner="",
                lease_expires_at=None,
                not_before=timezone.now() + RETRY_AFTER,
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


def claim(worker: str) -> Lease | None:
    """Take the most urgent job that is free, or None."""
    now = timezone.now()
    for job in Job.objects.filter(_claimable(now)).order_by("-priority", "pk")[:10]:
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


def has_claimable() -> bool:
    """Whether any job waits for a worker."""
    return Job.objects.filter(_claimable(timezone.now())).exists()


def _claimable(now: datetime) -> Q:
    waiting = Q(state=Job.States.QUEUED, not_before__lte=now)
    abandoned = Q(state=Job.States.RUNNING, lease_expires_at__lt=now)
    return waiting | abandoned
