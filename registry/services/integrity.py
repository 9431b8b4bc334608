"""Content that is not what it was: told where it is found, and again once it is mended."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from django.db import DatabaseError, InterfaceError, close_old_connections, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from aihub.db import retry_deadlocks
from aihub.events import SYSTEM, Event, emit
from registry.models import Blob, ModelVersion, Variant
from registry.models.revision import revision_bump
from registry.models.versions import State
from registry.services.variants import optimisation_renew
from registry.storage import (
    CHANGED,
    MISSING,
    BlobRef,
    Reading,
    StorageDamaged,
    blob_reader,
    blob_storage,
    hash_content,
    local_blob,
)

TELL_AGAIN = 3600.0  # seconds until one process tells the same of a version's record again

logger = logging.getLogger(__name__)
_AWAY = (DatabaseError, InterfaceError)
_told: dict[tuple[int, str], float] = {}


def blob_local(ref: BlobRef) -> Path:
    """As `local_blob`; content found damaged is told of before `StorageDamaged` goes on."""
    try:
        return local_blob(ref)
    except StorageDamaged as damage:
        _tell_if_possible(ref, str(damage))
        raise


def blob_open(ref: BlobRef, start: int = 0, size: int | None = None) -> Reading:
    """As `blob_reader`; content found missing is told of before `StorageDamaged` goes on."""
    try:
        return blob_reader(ref, start, size)
    except StorageDamaged as damage:
        _tell_if_possible(ref, str(damage))
        raise


@retry_deadlocks
def blob_damaged(ref: BlobRef, reason: str) -> bool:
    """Mark content as damaged and tell of each version that has it; False where it was told.

    A variant's file is made again.
    """
    with transaction.atomic():
        whole = Blob.objects.filter(sha256=ref.sha256, damaged_at=None)
        if not whole.update(damaged_at=timezone.now()):
            return False
        for version in versions_with(ref):
            _tell(version, reason, ref)
        _make_again(Variant.objects.filter(blob__sha256=ref.sha256))
        revision_bump()
    logger.error("content %s is damaged: %s", ref.key, reason)
    return True


def blob_whole(ref: BlobRef) -> bool:
    """Content was found to have its sums; True where it had been damaged."""
    with transaction.atomic():
        blob = Blob.objects.filter(sha256=ref.sha256)
        mended = bool(blob.exclude(damaged_at=None).update(damaged_at=None))
        blob.update(verified_at=timezone.now())
        if mended:
            for version in versions_with(ref):
                emit(Event("version.mended", str(version), SYSTEM, version.model.team_id))
            revision_bump()
    return mended


def blob_verify(blob: Blob, progress: Callable[[int], None] = lambda size: None) -> str:
    """Read content through and keep what was found; empty where it is right, else what is wrong.

    Raises StorageUnavailable where the store is away, and what `progress` raises.
    """
    reason = _wrong_with(blob.ref, progress)
    if reason:
        blob_damaged(blob.ref, reason)
    else:
        blob_whole(blob.ref)
    return reason


def record_damaged(version: ModelVersion, reason: str) -> None:
    """Tell of a version whose rows are not what was sealed; once an hour and process."""
    key, now = (version.pk, reason), time.monotonic()
    if now < _told.get(key, 0.0):
        return
    _told[key] = now + TELL_AGAIN
    try:
        with transaction.atomic():
            _tell(version, reason)
    except _AWAY:
        logger.warning("it cannot be written down that %s is damaged", version, exc_info=True)


def versions_with(ref: BlobRef) -> QuerySet[ModelVersion]:
    """The versions that content belongs to, those in the trash included."""
    mine = Q(files__blob__sha256=ref.sha256) | Q(converted__blob__sha256=ref.sha256)
    found = ModelVersion.everything.filter(mine | Q(variants__blob__sha256=ref.sha256))
    return found.select_related("model").order_by("pk").distinct()


def _make_again(variants: QuerySet[Variant]) -> None:
    """Forget variants and have them compiled once more, where their versions are live."""
    versions = list(ModelVersion.objects.filter(pk__in=variants.values("version_id")))
    variants.delete()
    for version in versions:
        if version.state == State.READY:
            optimisation_renew(version, as_new=False)


def _wrong_with(ref: BlobRef, progress: Callable[[int], None]) -> str:
    try:
        with closing(blob_storage().reader(ref.key)) as reading:
            found = BlobRef(*hash_content(reading, progress))
    except FileNotFoundError:
        return MISSING
    return "" if found == ref else CHANGED


def _tell(version: ModelVersion, reason: str, ref: BlobRef | None = None) -> None:
    logger.error("%s is damaged: %s", version, reason)
    data = {"reason": reason, **({"content": ref.key} if ref else {})}
    emit(Event("version.damaged", str(version), SYSTEM, version.model.team_id, data))


def _tell_if_possible(ref: BlobRef, reason: str) -> None:
    """A replica serves on without its database; its threads keep no connection that died."""
    if not connection.in_atomic_block:
        close_old_connections()
    try:
        blob_damaged(ref, reason)
    except _AWAY:
        logger.exception("content %s is damaged (%s), and it cannot be written down", ref, reason)
