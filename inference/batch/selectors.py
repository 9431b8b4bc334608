"""Reads: the batch jobs that a caller may see, and how they go."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from django.db.models import BigIntegerField, Q, QuerySet
from django.utils import timezone

from aihub.access import Action, Principal
from aihub.problems import N_, Problem
from inference.batch import outputs
from inference.batch.services import may_steer
from inference.batch.store import stored
from inference.models import BatchJob
from inference.models.batch import UNFINISHED, JobState
from registry.models import RegisteredModel
from registry.processing.worker import BATCH
from registry.selectors.workers import stalled
from registry.storage import StorageUnavailable

LARGE = ("plan", "report", "errors")  # what only a job's own page shows
RATE_LASTS = timedelta(minutes=2)  # without progress the rate says nothing


def jobs_visible(principal: Principal) -> QuerySet[BatchJob]:
    """The jobs that a principal may see, newest first."""
    jobs = BatchJob.objects.select_related("team").order_by("-pk")
    return jobs.filter(seen_by(principal))


def seen_by(principal: Principal) -> Q:
    """Of jobs and schedules those that a principal may see: their teams', and what they made.

    Whoever left the team sees what they made for it no more, unless the model is everybody's.
    """
    if principal.is_admin and principal.scope is None:
        return Q()
    own = Q(owner=principal.id)
    if not principal.is_admin:
        shared = RegisteredModel.objects.filter(shared=True)
        own &= Q(team__in=list(principal.roles)) | Q(model__in=shared)
    teams = [t for t in principal.roles if principal.may_in_team(Action.READ, t)]
    return own | Q(team__in=teams)


def job_get(principal: Principal, pk: int, *, steer: bool = False) -> BatchJob:
    """One of them; Problem 404 where it is not to be seen, 403 where it is another's to steer."""
    jobs = jobs_visible(principal).select_related("model", "version", "upload")
    job = jobs.filter(pk=pk).first() if pk <= BigIntegerField.MAX_BIGINT else None
    if job is None:
        raise Problem(404, N_("There is no batch job %(job)s."), job=pk)
    if steer and not may_steer(principal, job):
        raise Problem(
            403, N_("Only who made this job, and who publishes in its team, may do this.")
        )
    return job


def stall_teller() -> Callable[[BatchJob], str | None]:
    """Tells why nothing happens to a job, in the reader's language; asks for workers once."""
    told = cache(lambda: stalled(BATCH))
    return lambda job: told() if job.state in (JobState.QUEUED, JobState.RUNNING) else None


def job_preview(job: BatchJob, most: int) -> list[dict[str, Any]] | None:
    """The first rows of a job's output: key, predictions, version, error; None where it is gone
    or the store is away."""
    if job.state != JobState.SUCCEEDED or not job.output:
        return None
    shape = outputs.Shape.from_json(job.plan["shape"])
    try:
        with stored(job.output["key"]) as file:
            return outputs.preview(file, shape, most)
    except (FileNotFoundError, StorageUnavailable):
        return None


@dataclass(frozen=True, slots=True)
class Progress:
    """Rows a second, and seconds until the end; None where that cannot be told."""

    rate: float | None
    eta_seconds: float | None


def progress_of(job: BatchJob) -> Progress:
    """As its rows say that went through since it last began to run."""
    rate = _rate(job)
    if rate is None or job.state != JobState.RUNNING or job.total is None:
        return Progress(rate, None)
    left = job.total - job.done - job.failed
    return Progress(rate, max(0.0, left / rate))


def _rate(job: BatchJob) -> float | None:
    since, until = job.paced_at, job.finished_at or job.progress_at
    if since is None or until is None or job.state == JobState.PAUSED:
        return None
    if job.state in UNFINISHED and timezone.now() - until > RATE_LASTS:
        return None
    seconds = (until - since).total_seconds()
    rows = job.done + job.failed - job.paced_rows
    return rows / seconds if seconds > 0 and rows > 0 else None
