"""Celery tasks: each only hands over to what does the work."""

import logging
import time
from typing import Any

from celery import Task, shared_task
from kombu.exceptions import OperationalError

from aihub import tracing
from registry.processing import worker
from registry.processing.counting import busy
from registry.processing.worker import PROCESSING

HINT_EXPIRES = 10  # seconds; a hint that waited longer has been repeated meanwhile
TURN = 5.0  # seconds of one message: the next may take a tenth of a second to come

logger = logging.getLogger(__name__)


@shared_task(name="registry.run_jobs")
def run_jobs(queue: str = PROCESSING) -> None:
    """Do a queue's work for a while; another message follows, so that a worker may stop between.

    Where there can be none, as the broker is away, nobody else would go on.
    """
    until = time.monotonic() + TURN
    with busy(queue):
        while worker.run_one(queue):
            if time.monotonic() >= until:
                with tracing.untraced():  # nobody in particular asks for what comes next
                    if hint(queue):
                        break
                until = time.monotonic() + TURN


def hint(queue: str = PROCESSING) -> bool:
    """Ask a queue's workers to look for work; False as for `send`."""
    return send(run_jobs, queue, queue=queue, expires=HINT_EXPIRES)


def send(task: "Task[..., None]", *arguments: Any, queue: str, expires: float) -> bool:
    """Send a message that may be lost: what it is about stands in the database.

    `expires` is in seconds. False where the broker does not answer, which is tried once.
    """
    try:
        task.apply_async(args=arguments, queue=queue, expires=expires, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("the broker does not answer; %s is not sent: %s", task.name, error)
        return False
    return True
