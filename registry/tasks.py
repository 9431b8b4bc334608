"""Celery tasks: each only hands over to what does the work."""

from celery import shared_task

from registry.processing import worker

HINT_EXPIRES = 10  # seconds; a hint that waited longer has been repeated meanwhile


@shared_task(name="registry.run_jobs")
def run_jobs() -> None:
    """Run what the job table holds."""
    worker.run_available()


def hint() -> None:
    """Ask the workers to look at the job table."""
    run_jobs.apply_async(expires=HINT_EXPIRES, retry=False)
