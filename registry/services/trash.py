"""Away and back: into the trash, out of it again, or gone for good.

Whatever happens to a version or a model here holds the lock of the model's row, so that of two
at once (restore and purge, deletion and promotion) one comes first and the other sees it.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
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

AT_ONCE = 100  # entries that one look at what has expired removes

logger = logging.getLogger(__name__)


def versions_trash(versions: QuerySet[ModelVersion], *, at: datetime, by: str) -> int:
    """Put live versions into the trash; work on them is called off. In the caller's transaction,
    which holds the model.
    """
    ids = list(versions.order_by().values_list("pk", flat=True))
    ModelVersion.objects.filter(pk__in=ids).update(deleted_at=at, deleted_by=by[:150])
    Job.objects.filter(kind=pipeline.KIND, subject_id__in=ids).delete()
    _unfinished(jobs_of(ids)).delete()
    revision_bump()
    return len(ids)


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
        _bring_back([version])
        _emit("version.restored", str(version), version.model, principal)
    return version


@retry_deadlocks
def model_restore(pk: int, *, principal: Principal) -> RegisteredModel:
    """Take a model out of the trash, with the versions that went there with it."""
    with transaction.atomic():
        model = _lock_model(pk)
        versions = list(_gone_with(model).select_related("model"))
        model.deleted_at, model.deleted_by = None, ""
        model.save(update_fields=["deleted_at", "deleted_by"])
        for version in versions:
            version.model = model
        _bring_back(versions)
        _emit("model.restored", model.name, model, principal, versions=len(versions))
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
    models = RegisteredModel.everything.filter(deleted_at__lt=before)
    versions = ModelVersion.everything.filter(deleted_at__lt=before)
    count = 0
    for pk in list(models.values_list("pk", flat=True)[:AT_ONCE]):
        count += _expired(partial(model_purge, pk))
    for pk in list(versions.values_list("pk", flat=True)[:AT_ONCE]):
        count += _expired(partial(version_purge, pk))
    return count


def versions_remove(versions: list[ModelVersion]) -> None:
    """Delete rows of versions with their jobs; uploads not yet processed expire at once."""
    ids = [version.pk for version in versions]
    Job.objects.filter(kind=pipeline.KIND, subject_id__in=ids).delete()
    jobs_of(ids).delete()
    Upload.objects.filter(version_files__version__in=ids).update(expires_at=timezone.now())
    for version in versions:
        version.delete()


def _bring_back(versions: list[ModelVersion]) -> None:
    """Make versions live again; work that was called off is begun once more."""
    ids = [version.pk for version in versions]
    ModelVersion.everything.filter(pk__in=ids).update(deleted_at=None, deleted_by="")
    for version in versions:
        version.deleted_at, version.deleted_by = None, ""
        if version.state == State.PROCESSING:
            jobs.enqueue(pipeline.KIND, version.pk)
        elif version.state == State.READY and version.optimisation != Optimisation.DONE:
            optimisation_begin(version)
    revision_bump()


def _gone_with(model: RegisteredModel) -> QuerySet[ModelVersion]:
    return ModelVersion.everything.filter(model=model, deleted_at=model.deleted_at)


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


def _unfinished(found: QuerySet[Job]) -> QuerySet[Job]:
    return found.filter(Q(state=Job.States.QUEUED) | Q(state=Job.States.RUNNING))


def _emit(
    name: str, subject: str, model: RegisteredModel, principal: Principal, **data: object
) -> None:
    emit(Event(name, subject, principal, team_id=model.team_id, data=data))
