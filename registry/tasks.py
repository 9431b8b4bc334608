"""Celery tasks: each only hands over to what does the work."""

from celery import shared_task

from registry.processing import worker

HINT_EXPIRES = 10  # seconds; a hint that waited longer has been repeated meanwhile


@shared_task(name="registry.run_jobs")
def run_jobs() -> None:
    """Run one job; another message follows, so that a worker that stops need not finish all."""
    if worker.run_one():
        hint()


def hint() -> None:
    """Ask the workers to look at the job table."""
    run_jobs.apply_async(expires=HINT_EXPIRES, retry=False)
