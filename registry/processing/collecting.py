"""The daily collection of garbage, by one worker at a time, when nothing else waits."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.db import DatabaseError
from django.utils import timezone

from aihub.events import SYSTEM
from registry.models import Job
from registry.processing import jobs, worker
from registry.processing.jobs import Lease
from registry.services.garbage import garbage_collect

KIND = "collect-garbage"
PRIORITY = -20
GRACE = timedelta(days=1)
LOOK_EVERY = 1.0  # seconds between two looks for more urgent work
AGAIN_AFTER = timedelta(minutes=5)

logger = logging.getLogger(__name__)


def register() -> None:
    """Have this process's workers collect."""
    worker.add_handler(KIND, collect)


def collection_plan() -> None:
    """Ask for today's collection, unless it was asked for."""
    today = timezone.now().date().toordinal()
    jobs.enqueue(KIND, today, priority=PRIORITY)
    Job.objects.filter(kind=KIND, subject_id__lt=today).delete()


def collect(lease: Lease) -> None:
    """Collect until nothing is left; give way to anything more urgent."""
    try:
        found = garbage_collect(principal=SYSTEM, grace=GRACE, stop=_giving_way())
    except DatabaseError:
        logger.exception("collecting garbage stops; its lease will end")
        return
    logger.info("garbage collected: %s", found.as_dict())
    if found.complete:
        lease.succeed()
    elif found.errors:
        lease.give_back("; ".join(found.errors), pause=AGAIN_AFTER)
    else:
        lease.give_back(pause=timedelta(seconds=LOOK_EVERY))


def _giving_way() -> Callable[[], bool]:
    next_look = time.monotonic() + LOOK_EVERY

    def stop() -> bool:
        nonlocal next_look
        if time.monotonic() < next_look:
            return False
        next_look = time.monotonic() + LOOK_EVERY
        return jobs.has_claimable(worker.HANDLERS[worker.PROCESSING], above=PRIORITY)

    return stop
