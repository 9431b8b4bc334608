"""Chunks as work for anyone: which is next, taken by lease, and how it ends."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from inference.models import BatchChunk, BatchJob
from inference.models.batch import JobState
from registry.models import Leased
from registry.processing.leases import Claim, lease_take

RETRY_AFTER = timedelta(seconds=3)
LOOKED_AT = 10  # chunks of one job, where others are quicker


@dataclass(frozen=True, slots=True)
class ChunkLease(Claim):
    """The right to compute a chunk. `attempt` counts from 1."""

    table: ClassVar[type[Leased]] = BatchChunk

    job_id: int
    attempt: int

    def give_back(self, pause: timedelta = RETRY_AFTER) -> bool:
        """Let the chunk be taken again after a pause; this attempt does not count."""
        return bool(
            self.rows().update(
                state=BatchChunk.States.WAITING,
                lease_owner="",
                lease_expires_at=None,
                not_before=timezone.now() + pause,
                attempts=F("attempts") - 1,
            )
        )


def chunk_claim(worker: str) -> ChunkLease | None:
    """Take the next chunk, or None.

    Teams take turns: the one that was served longest ago comes first; in it the job of the highest
    priority, of those the oldest.
    """
    now = timezone.now()
    for job in _in_turn(now):
        free = _free(now).filter(job=job)
        for chunk in free.order_by("number")[:LOOKED_AT]:
            owner = lease_take(free, chunk, worker, state=BatchChunk.States.RUNNING)
            if owner:
                BatchJob.objects.filter(pk=job.pk).update(served_at=now)
                return ChunkLease(chunk.pk, owner, job.pk, chunk.attempts + 1)
    return None


def chunks_wait() -> bool:
    """Whether there is a chunk that a worker could take."""
    return _with_work(timezone.now()).exists()


def _in_turn(now: datetime) -> list[BatchJob]:
    """Jobs with a free chunk, in the order in which they are served."""
    jobs = list(_with_work(now).only("pk", "team", "priority"))
    if len({job.team_id for job in jobs}) > 1:
        served = _last_served({job.team_id for job in jobs})
    else:
        served = {}
    return sorted(jobs, key=lambda job: (served.get(job.team_id, 0.0), -job.priority, job.pk))


def _last_served(teams: set[int]) -> dict[int, float]:
    """When each team was last served (seconds), as far as its jobs remember."""
    rows = BatchJob.objects.filter(team__in=teams, state__in=_SERVED).order_by()
    last = rows.values_list("team").annotate(Max("served_at"))
    return {team: at.timestamp() for team, at in last if at}


_SERVED = (JobState.RUNNING, JobState.PAUSED)


def _with_work(now: datetime) -> QuerySet[BatchJob]:
    running = BatchJob.objects.filter(state=JobState.RUNNING).order_by()
    return running.filter(Exists(_free(now).filter(job=OuterRef("pk"))))


def _free(now: datetime) -> QuerySet[BatchChunk]:
    waiting = Q(state=BatchChunk.States.WAITING, not_before__lte=now)
    abandoned = Q(state=BatchChunk.States.RUNNING, lease_expires_at__lt=now)
    return BatchChunk.objects.filter(waiting | abandoned)
