"""What batch workers are told to do, when Django starts."""

from django.db.models import Exists, OuterRef

from inference.batch import claims, ends, schedules, sweeping
from inference.models import BatchJob
from registry.processing import worker
from registry.processing.jobs import Lease
from registry.refusals import N_
from registry.services.housekeeping import add_chore
from registry.services.owning import add_owner

CHORES = (
    *(sweeping.parts_sweep, sweeping.jobs_expire, sweeping.stalled_tell),
    schedules.schedules_remind,
)


def register() -> None:
    """Have workers of the batch queue plan jobs, compute chunks and finish jobs."""
    worker.add_handler(ends.PLANNING, _plan, worker.BATCH)
    worker.add_handler(ends.FINISHING, _finish, worker.BATCH)
    worker.add_source(worker.BATCH, _run_chunk, claims.chunks_wait)
    for chore in CHORES:
        add_chore(chore)
    add_owner(
        N_("The upload %(upload)s is the input of a batch job."),
        Exists(BatchJob.objects.filter(upload=OuterRef("pk"))),
    )


# What does the work is imported where it is done: tables and models are no other process's matter.


def _plan(lease: Lease) -> None:
    from inference.batch.planning import plan

    plan(lease)


def _run_chunk() -> bool:
    from inference.batch.chunks import chunk_run

    return chunk_run()


def _finish(lease: Lease) -> None:
    from inference.batch.finishing import finish

    finish(lease)
