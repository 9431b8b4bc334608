"""Freeing content that nothing refers to, while uploads of the same content go on.

A publisher makes or locks a content's row and holds it by its upload, and only then looks whether
the object is there. Here the row is locked, found without any reference once more and deleted
together with the object, in one transaction: one of the two comes first, and the other sees it.
What the store does not let go of stays a row, for the next time.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet, RestrictedError, Sum
from django.utils import timezone

from aihub.access import Principal
from aihub.db import retry_deadlocks
from aihub.events import Event, emit
from registry.models import Blob
from registry.selectors.blobs import blobs_unreferenced
from registry.services import strays
from registry.services.holding import HELD, RemovalHeld, removal_allowed, removal_is_held
from registry.services.search_rows import labels_free
from registry.storage import StorageUnavailable, blob_storage

AT_ONCE = 500

logger = logging.getLogger(__name__)


@dataclass
class Collected:
    """What was freed, or with `dry_run` would be. `foreign` are objects that the hub never knew
    (somebody's `dvc push`), which stay unless they are asked for.
    """

    dry_run: bool
    blobs: int = 0
    bytes: int = 0
    directories: int = 0
    staged: int = 0
    foreign: int = 0
    foreign_bytes: int = 0
    foreign_removed: int = 0
    errors: list[str] = field(default_factory=list)
    complete: bool = True

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def garbage_collect(
    *,
    principal: Principal,
    dry_run: bool = False,
    grace: timedelta = timedelta(0),
    foreign_older_than: timedelta | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Collected:
    """Free what nothing refers to and what is older than `grace`; `stop` ends it early.

    Nothing is raised for a store that is away: it is among the `errors`, and nothing is lost.
    """
    found = Collected(dry_run)
    try:
        if not dry_run:
            removal_allowed()
        _collect_blobs(found, grace, stop)
        if found.complete:
            strays.collect(found, foreign_older_than, stop)
        if not dry_run:
            labels_free(stop)
    except StorageUnavailable as error:
        logger.warning("collecting garbage ends early: %s", error)
        found.errors.append(str(error))
        found.complete = False
    except RemovalHeld:
        found.errors.append(HELD)
        found.complete = False
    if not dry_run and _freed(found):
        emit(Event("garbage.collected", "garbage", principal, data=found.as_dict()))
    return found


def _freed(found: Collected) -> int:
    return found.blobs + found.directories + found.staged + found.foreign_removed


def _collect_blobs(found: Collected, grace: timedelta, stop: Callable[[], bool]) -> None:
    old = blobs_unreferenced().filter(created_at__lte=timezone.now() - grace)
    if found.dry_run:
        found.blobs = old.count()
        found.bytes = old.aggregate(total=Sum("size"))["total"] or 0
        return
    last = 0
    while pks := list(_after(old, last)):
        for pk in pks:
            if stop():
                found.complete = False
                return
            freed = blob_free(pk)
            if freed is not None:
                found.blobs += 1
                found.bytes += freed
        last = pks[-1]


def _after(blobs: QuerySet[Blob], pk: int) -> Iterable[int]:
    return blobs.filter(pk__gt=pk).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]


def blob_free(pk: int) -> int | None:
    """Delete a content's row and its object unless something refers to it; the bytes freed.

    Raises StorageUnavailable, and then both stay.
    """
    try:
        return _free(pk)
    except (ProtectedError, RestrictedError, IntegrityError):
        return None  # somebody took it just now


@retry_deadlocks
def _free(pk: int) -> int | None:
    with transaction.atomic():
        blob = Blob.objects.select_for_update().filter(pk=pk).first()
        if blob is None or removal_is_held() or not blobs_unreferenced().filter(pk=pk).exists():
            return None
        ref = blob.ref
        blob.delete()
        blob_storage().discard(ref.key)
    return ref.size
