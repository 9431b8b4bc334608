"""How a job ends: all its chunks done, or none of them wanted any more.

Whoever changes a job locks its row first, and only then what hangs on it (chunks, the job table):
in one order, nobody waits for who waits for them.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from django.db import transaction
from django.utils import timezone

from aihub import request_context
from aihub.access import Principal
from aihub.db import retry_deadlocks
from aihub.events import SYSTEM, Event, emit
from inference.models import BatchChunk, BatchJob
from inference.models.batch import UNFINISHED, JobState
from registry.models import Job
from registry.processing import jobs
from registry.processing.jobs import Lease

# Kinds of work in the job table, beside the chunks.
PLANNING, FINISHING = "batch-plan", "batch-finish"


def job_lock(pk: int) -> BatchJob:
    """The job, which nobody else changes until the transaction ends; what is large of it waits."""
    return BatchJob.objects.select_for_update().defer("plan", "report").get(pk=pk)


def job_about(job: BatchJob, **more: Any) -> AbstractContextManager[None]:
    """Have the lines of the log say that they are about this job, and its model."""
    return request_context.about(
        **{
            "batch_job": job.pk,
            "model_name": job.model_name,
            "model_version": job.version_name,
            **more,
        }
    )


def job_settle(job: BatchJob) -> None:
    """Have the output made where every chunk is done. `job` is locked."""
    if job.planned and job.chunks_done == job.chunks and job.state in UNFINISHED:
        enqueue_again(FINISHING, job.pk)


@retry_deadlocks
def work_refuse(pk: int, lease: Lease, message: str, values: Mapping[str, Any]) -> None:
    """End a piece of work of the job table that cannot be done, and its job with the reason."""
    with transaction.atomic():
        job = job_lock(pk)
        lease.confirm()
        lease.succeed()
        job_fail(job, message, values)


def job_fail(job: BatchJob, message: str, values: Mapping[str, Any]) -> None:
    """End a locked job with a reason, if it is unfinished; else nothing happens."""
    if job.state not in UNFINISHED:
        return
    job.reason_message, job.reason_values = message, dict(values)
    job_end(job, JobState.FAILED, SYSTEM)


def job_end(job: BatchJob, state: JobState, actor: Principal) -> None:
    """Make a locked job finished: nobody works on its chunks any more, and it is told."""
    job.state, job.finished_at = state, timezone.now()
    job.save(update_fields=["state", "finished_at", "reason_message", "reason_values"])
    chunks_drop(job)
    job_tell(job, f"batch.{state.value}", actor)


def chunks_drop(job: BatchJob) -> None:
    """Take a job's chunks from whoever computes them: what they write is not taken any more."""
    running = BatchChunk.objects.filter(job=job, state=BatchChunk.States.RUNNING)
    running.update(state=BatchChunk.States.WAITING, lease_owner="", lease_expires_at=None)


def job_tell(job: BatchJob, event: str, actor: Principal, **more: Any) -> None:
    """Emit an event of a job."""
    data = {
        "model": job.model_name,
        "version": job.version_name,
        "total": job.total,
        "done": job.done,
        "failed": job.failed,
        "reason": job.reason_message % job.reason_values
        if job.reason_values
        else job.reason_message,
        "creator": job.person,
        "notify": job.options.get("notify", True),
        **more,
    }
    emit(Event(event, str(job.pk), actor, team_id=job.team_id, data=data))


def enqueue_again(kind: str, subject_id: int) -> None:
    """Enqueue a job of the job table, also where it was done before; whoever still runs it does so
    over what is no more, and loses its lease."""
    jobs.enqueue(kind, subject_id)
    jobs.restart(Job.objects.filter(kind=kind, subject_id=subject_id), as_new=True)
