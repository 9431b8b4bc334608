"""Celery tasks: each only hands over to what does the work."""

from celery import shared_task

from aihub import request_context
from inference.batch.beat import TASK
from registry.processing.worker import BATCH
from registry.tasks import send

HINT_EXPIRES = 60  # seconds; a reminder that waited longer has been repeated meanwhile


@shared_task(name=TASK)
def batch_scheduled(schedule_id: int) -> None:
    """Make the job of a schedule that is due; another message for the same run makes none."""
    from inference.batch.schedules import schedule_fire

    with request_context.use(request_context.kept_id()):
        schedule_fire(schedule_id)


def schedule_hint(schedule_id: int) -> None:
    """Ask the batch workers to look at one schedule."""
    send(batch_scheduled, schedule_id, queue=BATCH, expires=HINT_EXPIRES)
