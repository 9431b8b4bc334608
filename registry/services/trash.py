"""Away and back: into the trash, out of it again, or gone for good.

Whatever happens to a version or a model here holds the lock of the model's row, so that of two
at once (restore and purge, deletion and promotion) one comes first and the other sees it.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from aihub.access import Principal
from aihub.db import retry_deadlocks
from aihub.events import SYSTEM, Event, emit
from aihub.problems import N_, Problem
from registry.models import Job, ModelVersion, RegisteredModel, Upload
from registry.models.revision import revision_bump
from registry.models.versions import Optimisation, State
from registry.processing import jobs, pipeline
from registry.services.variants import jobs_of, optimisation_begin
from registry.usage import require_unused

AT_ONCE = 5.0  # seconds of one look at what has expired: a worker's heartbeat waits for it

logger = logging.getLogger(__name__)


def versions_trash(
    versions: QuerySet[ModelVersion], model: RegisteredModel, *, at: datetime, by: str
) -> int:
    """Put live versions of a model into the trash; work on them is called off. In the caller's
    transaction, which holds the model.
    """
    count = versions.update(deleted_at=at, deleted_by=by[:150])
    gone = ModelVersion.everything.filter(model=model, deleted_at=at).values("pk")
    Job.objects.filter(kind=pipeline.KIND, subject_id__in=gone).delete()
    unfinished = (Job.States.QUEUED, Job.States.RUNNING)
    jobs_of(gone).filter(state__in=unfinished).delete()
    revision_bump()
    return count


@retry_deadlocks
def version_restore(pk: int, *, principal: Principal) -> ModelVersion:
    """Take a version out of the trash, as it was; `Problem` 409 while its model lies there."""
    with transaction.atomic():
        version = _lock_version(pk)
        if version.model.deleted_at is not None:
            raise Problem(
                409,
                N_("The model “%(model)s” is in the trash: restore it first."),
                model=version.model.name,
            )
        _bring_back(ModelVersion.everything.filter(pk=pk))
        _emit("version.restored", str(version), version.model, principal)
    return version


@retry_deadlocks
def model_restore(pk: int, *, principal: Principal) -> RegisteredModel:
    """Take a model out of the trash, with the versions that went there with it."""
    with transaction.atomic():
        model = _lock_model(pk)
        went_with_it = ModelVersion.everything.filter(model=model, deleted_at=model.deleted_at)
        RegisteredModel.everything.filter(pk=pk).update(deleted_at=None, deleted_by="")
        count = _bring_back(went_with_it)
        _emit("model.restored", model.name, model, principal, versions=count)
    return model


@retry_deadlocks
def version_purge(pk: int, *, principal: Principal) -> None:
    """Delete a version in the trash for good; its content is freed by the garbage collection."""
    with transaction.atomic():
        version = _lock_version(pk)
        require_unused(ModelVersion.everything.filter(pk=pk), str(version))
        _emit("version.purged", str(version), version.model, principal)
        versions_remove([version])


@retry_deadlocks
def model_purge(pk: int, *, principal: Principal) -> None:
    """Delete a model in the trash for good, with all its versions."""
    with transaction.atomic():
        model = _lock_model(pk)
        versions = ModelVersion.everything.filter(model=model)
        require_unused(versions, model.name, model)
        rows = list(versions.select_related("model"))
        _emit("model.purged", model.name, model, principal, versions=len(rows))
        versions_remove(rows)
        model.delete()


def trash_expire() -> int:
    """Delete for good what has been in the trash for AIHUB_TRASH_DAYS; answers how many entries."""
    days = settings.ENV.AIHUB_TRASH_DAYS
    if not days:
        return 0
    before = timezone.now() - timedelta(days=days)
    count, until = 0, time.monotonic() + AT_ONCE
    for table, purge in ((RegisteredModel, model_purge), (ModelVersion, version_purge)):
        expired = table.everything.filter(deleted_at__lt=before).order_by("deleted_at")
        for pk in expired.values_list("pk", flat=True)[:1000]:
            if time.monotonic() < until:
                count += _expired(partial(purge, pk))
    return count


def versions_remove(versions: list[ModelVersion]) -> None:
    """Delete rows of versions with their jobs; uploads not yet processed expire at once."""
    ids = [version.pk for version in versions]
    Job.objects.filter(kind=pipeline.KIND, subject_id__in=ids).delete()
    jobs_of(ids).delete()
    Upload.objects.filter(version_files__version__in=ids).update(expires_at=timezone.now())
    ModelVersion.everything.filter(pk__in=ids).delete()


def _bring_back(versions: QuerySet[ModelVersion]) -> int:
    """Make versions live again; work that was called off is begun once more."""
    processing = list(versions.filter(state=State.PROCESSING).values_list("pk", flat=True))
    compiling = versions.filter(state=State.READY).exclude(optimisation=Optimisation.DONE)
    to_compile = list(compiling.only("pk"))
    count = versions.update(deleted_at=None, deleted_by="")
    for pk in processing:
        jobs.enqueue(pipeline.KIND, pk)
    for version in to_compile:
        optimisation_begin(version)
    revision_bump()
    return count


def _lock_model(pk: int) -> RegisteredModel:
    found = RegisteredModel.everything.select_for_update().exclude(deleted_at=None)
    model = found.filter(pk=pk).first()
    if model is None:
        raise _not_there()
    return model


def _lock_version(pk: int) -> ModelVersion:
    """A version in the trash, once its model's row is held."""
    trashed = ModelVersion.everything.exclude(deleted_at=None)
    models = RegisteredModel.everything.select_for_update()
    models.filter(pk__in=list(trashed.filter(pk=pk).values_list("model_id", flat=True))).first()
    version = trashed.select_for_update().filter(pk=pk).first()
    if version is None:
        raise _not_there()
    return version


def _not_there() -> Problem:
    return Problem(404, N_("It is not in the trash any more."))


def _expired(purge: Callable[..., None]) -> int:
    try:
        purge(principal=SYSTEM)
    except Problem as problem:
        logger.warning("what expired in the trash stays: %s", problem)
        return 0
    return 1


def _emit(
    name: str, subject: str, model: RegisteredModel, principal: Principal, **data: object
) -> None:
    emit(Event(name, subject, principal, team_id=model.team_id, data=data))
