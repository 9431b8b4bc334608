"""What is left of jobs: removed once nothing can need it, and told of where nothing happens."""

import logging
from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet
from django.utils import timezone

from aihub.db import has_row
from aihub.events import SYSTEM
from inference.batch import ends, keys
from inference.models import BatchChunk, BatchJob
from inference.models.batch import FINISHED, JobState
from registry.storage import StorageUnavailable, blob_storage

AT_ONCE = 20  # jobs

logger = logging.getLogger(__name__)


def parts_sweep() -> int:
    """Remove the parts of jobs that have an output and no row that could be retried."""
    chunks = BatchChunk.objects.filter(job=OuterRef("pk"))
    whole = _by_expiry(False).filter(has_row(chunks), state=JobState.SUCCEEDED, failed=0)
    return sum(map(_tidy, whole[:AT_ONCE]))


def jobs_expire() -> int:
    """Remove the input and the output of jobs whose time is over; their rows stay."""
    # Also those whose removal was broken off.
    over = _by_expiry(False, True).filter(state__in=FINISHED, expires_at__lt=timezone.now())
    return sum(map(_expire, over[:AT_ONCE]))


def stalled_tell() -> int:
    """Tell, once, of each job that runs and of which no chunk was done for a while."""
    before = timezone.now() - timedelta(seconds=settings.ENV.AIHUB_BATCH_STALLED)
    active = BatchJob.objects.filter(state__in=(JobState.QUEUED, JobState.RUNNING))
    moved = Q(progress_at__lt=before) | Q(progress_at=None, created_at__lt=before)
    return sum(map(_tell, active.filter(moved, stalled_at=None).order_by("pk")[:AT_ONCE]))


def _by_expiry(*cleared: bool) -> QuerySet[BatchJob]:
    """Jobs in the order of their index, so that those that went long ago are not read."""
    # `cleared=False` would become NOT, for which no database uses an index.
    return BatchJob.objects.filter(cleared__in=cleared).order_by("expires_at", "pk")


def _tell(job: BatchJob) -> bool:
    with transaction.atomic():
        told = BatchJob.objects.filter(pk=job.pk, stalled_at=None, state=job.state)
        if not told.update(stalled_at=timezone.now()):
            return False
        ends.job_tell(job, "batch.stalled", SYSTEM)
    return True


def _expire(job: BatchJob) -> bool:
    """The row says so first, so that nobody retries what is being removed; it expires again and
    again until all is gone."""
    own = BatchJob.objects.filter(pk=job.pk, state__in=FINISHED)
    if not own.update(cleared=True) or not _remove(job, kept=()):
        return False
    own.update(output={}, upload=None, expires_at=None)
    return True


def _tidy(job: BatchJob) -> bool:
    key = job.output["key"]
    return _remove(job, kept=(key, keys.manifest(key)))


def _remove(job: BatchJob, *, kept: Collection[str]) -> bool:
    """Remove what the store has of a job, and its chunks; False where the store is away."""
    storage = blob_storage()
    try:
        for stored in storage.listing(keys.root(job.pk)):
            if stored.key not in kept:
                storage.discard(stored.key)
    except StorageUnavailable:
        logger.warning("what batch job %s left stays until the storage answers", job)
        return False
    BatchChunk.objects.filter(job=job).delete()
    return True
