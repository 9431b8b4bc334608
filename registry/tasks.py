"""Celery tasks: each only hands over to what does the work."""

import time

from celery import shared_task

from registry.processing import worker
from registry.processing.worker import PROCESSING

HINT_EXPIRES = 10  # seconds; a hint that waited longer has been repeated meanwhile
TURN = 5.0  # seconds of one message: the next may take a tenth of a second to come


@shared_task(name="registry.run_jobs")
def run_jobs(queue: str = PROCESSING) -> None:
    """Do a queue's work for a while; another message follows, so that a worker may stop between."""
    until = time.monotonic() + TURN
    while worker.run_one(queue):
        if time.monotonic() >= until:
            hint(queue)
            break


def hint(queue: str = PROCESSING) -> None:
    """Ask a queue's workers to look for work."""
    run_jobs.apply_async(args=(queue,), queue=queue, expires=HINT_EXPIRES, retry=False)
