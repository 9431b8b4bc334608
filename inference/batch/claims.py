"""Chunks as work for anyone: which is next, taken by lease, and how it ends."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.db.models import F, Min, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from aihub.db import has_row
from inference.models import BatchChunk, BatchJob
from inference.models.batch import JobState
from registry.models import Leased, Team
from registry.processing.leases import Claim, lease_take

RETRY_AFTER = timedelta(seconds=3)
LOOKED_AT = 10  # chunks of one job, where others are quicker


@dataclass(frozen=True, slots=True)
class ChunkLease(Claim):
    """The right to compute a chunk. `attempt` counts from 1."""

    table: ClassVar[type[Leased]] = BatchChunk

    job_id: int
    attempt: int
    request_id: str = ""

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
    for job, request_id in _in_turn():
        for free in (_abandoned(now).filter(job=job), _waiting(now).filter(job=job)):
            for chunk in free.only("attempts").order_by("number")[:LOOKED_AT]:
                owner = lease_take(free, chunk, worker, state=BatchChunk.States.RUNNING)
                if owner:
                    BatchJob.objects.filter(pk=job).update(served_at=now)
                    return ChunkLease(chunk.pk, owner, job, chunk.attempts + 1, request_id)
    return None


def chunks_wait() -> bool:
    """Whether there is a chunk that a worker could take."""
    now = timezone.now()
    waits = has_row(_waiting(now).filter(job=OuterRef("pk")))
    left = _abandoned(now).filter(job__state=JobState.RUNNING)
    return _going().filter(waits).exists() or left.exists()


def chunks_waiting() -> tuple[int, datetime | None]:
    """How many chunks no worker took yet, and since when the job that waits longest was not served.

    Read from the jobs: there may be a hundred thousand chunks of each.
    """
    since = Min(Coalesce("served_at", "started_at", "created_at"))
    rest = Sum(F("chunks") - F("chunks_done"))
    left, oldest = _going().aggregate(left=rest, since=since).values()
    taken = BatchChunk.objects.filter(
        state=BatchChunk.States.RUNNING,
        lease_expires_at__gte=timezone.now(),
        job__state=JobState.RUNNING,
    )
    waiting = max(0, left - taken.count()) if left else 0
    return waiting, oldest if waiting else None


def _in_turn() -> list[tuple[int, str]]:
    """The keys of jobs that have chunks to do, in the order in which they are served; and the ids
    of the requests that asked for them.

    Whether one is free is asked of each in turn: few have none, as many as there are workers.
    """
    jobs = list(_going().values_list("pk", "team", "priority", "request_id"))
    teams = {team for _, team, _, _ in jobs}
    served = _last_served(teams) if len(teams) > 1 else {}
    jobs.sort(key=lambda job: (served.get(job[1], 0.0), -job[2], job[0]))
    return [(pk, request_id) for pk, _, _, request_id in jobs]


def _last_served(teams: Collection[int]) -> dict[int, float]:
    """When each team was last served (seconds), also by jobs that are over."""
    served = BatchJob.objects.filter(team=OuterRef("pk"), served_at__isnull=False)
    last = Subquery(served.order_by("-served_at").values("served_at")[:1])
    rows = Team.objects.filter(pk__in=teams).order_by().annotate(last=last)
    return {team: at.timestamp() for team, at in rows.values_list("pk", "last") if at}


def _going() -> QuerySet[BatchJob]:
    running = BatchJob.objects.filter(state=JobState.RUNNING, chunks_done__lt=F("chunks"))
    return running.order_by()


def _waiting(now: datetime) -> QuerySet[BatchChunk]:
    return BatchChunk.objects.filter(state=BatchChunk.States.WAITING, not_before__lte=now)


def _abandoned(now: datetime) -> QuerySet[BatchChunk]:
    """Of workers that are gone; they come before those that nobody began."""
    return BatchChunk.objects.filter(state=BatchChunk.States.RUNNING, lease_expires_at__lt=now)
