"""The sweep that reads stored content through again, at the lowest priority, a few at a time."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from registry.models import Blob, Job
from registry.processing import jobs, worker
from registry.processing.jobs import Lease, LeaseLost
from registry.services.integrity import blob_verify
from registry.storage import StorageUnavailable

KIND = "verify-blob"
PRIORITY = -30  # whatever else there is to do comes first
AT_ONCE = 32  # that wait for a worker
LOOK_EVERY = 1.0  # seconds between two looks for more urgent work
UNTIL_MENDED = timedelta(hours=1)

logger = logging.getLogger(__name__)


class _GiveWay(Exception):
    """More urgent work waits."""


def register() -> None:
    """Have this process's workers verify."""
    worker.add_handler(KIND, verify)


def verification_plan() -> int:
    """Ask for what was not read for AIHUB_VERIFY_DAYS; answers for how many files.

    What is damaged stays a job, and is read again every hour until it is mended.
    """
    days = settings.ENV.AIHUB_VERIFY_DAYS
    if not days:
        return 0
    asked = Job.objects.filter(kind=KIND)
    asked.filter(state__in=(Job.States.SUCCEEDED, Job.States.FAILED)).delete()
    waiting = asked.filter(not_before__lte=timezone.now()).count()
    before = timezone.now() - timedelta(days=days)
    old = Q(verified_at__lt=before) | Q(verified_at=None, created_at__lt=before)
    due = Blob.objects.filter(old | ~Q(damaged_at=None)).exclude(pk__in=asked.values("subject_id"))
    longest = due.order_by("verified_at", "pk").values_list("pk", flat=True)
    chosen = list(longest[: max(AT_ONCE - waiting, 0)])
    for pk in chosen:
        jobs.enqueue(KIND, pk, priority=PRIORITY)
    return len(chosen)


def verify(lease: Lease) -> None:
    """Read one content through; give way to anything else that waits."""
    blob = Blob.objects.filter(pk=lease.subject_id).first()
    if blob is None:
        lease.succeed()
        return
    try:
        reason = blob_verify(blob, _giving_way())
    except _GiveWay:
        lease.give_back(pause=timedelta(seconds=LOOK_EVERY))
    except StorageUnavailable as error:
        lease.give_back(str(error))
    except (LeaseLost, DatabaseError):
        logger.exception("verifying %s stops; its lease will end", blob)
    else:
        if reason:
            lease.give_back(reason, pause=UNTIL_MENDED)
        else:
            lease.succeed()


def _giving_way() -> Callable[[int], None]:
    next_look = time.monotonic() + LOOK_EVERY

    def look(size: int) -> None:
        nonlocal next_look
        if time.monotonic() < next_look:
            return
        next_look = time.monotonic() + LOOK_EVERY
        if jobs.has_claimable(worker.HANDLERS[worker.PROCESSING], above=PRIORITY):
            raise _GiveWay

    return look
