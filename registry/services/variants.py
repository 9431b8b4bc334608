"""Asking for a version's variants, and which of them its owner pinned.

The work is one job for each kind of processor; only workers of that kind take it.
"""

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from aihub.access import Principal
from aihub.db import retry_deadlocks
from aihub.events import Event, emit
from aihub.problems import N_, Problem
from registry.models import Job, ModelVersion, RegisteredModel, Variant
from registry.models.revision import revision_bump
from registry.models.versions import Optimisation, State
from registry.processing import jobs, optimiser
from registry.services.locks import lock_version

KIND = "optimise:"  # and the kind of processor
PRIORITY = -10  # whatever makes a version ready comes first
PRUNED = "-pruned"  # how the names of pruned variants end


def optimisation_request(version_id: int, cpu: str) -> None:
    """Have a version's variants compiled on a kind of processor, unless they were asked for."""
    jobs.enqueue(KIND + cpu, version_id, priority=PRIORITY)


def optimisation_begin(version: ModelVersion) -> bool:
    """Ask for a ready version's variants on this kind of processor; False where none are made."""
    cpu = optimiser.current().cpu()
    if cpu:
        optimisation_request(version.pk, cpu)
    _set_state(version, Optimisation.PENDING if cpu else Optimisation.DONE)
    return bool(cpu)


def optimisation_renew(version: ModelVersion, *, as_new: bool) -> bool:
    """Have a ready version's variants compiled once more, wherever they were compiled before.

    `as_new`: all of them, what is there serving until it is replaced; else those that lack a row.
    Answers False where nothing compiles. In the caller's transaction.
    """
    if not jobs.restart(jobs_of([version.pk]), as_new=as_new):
        return optimisation_begin(version)
    _set_state(version, Optimisation.PENDING)
    return True


def optimisation_renew_for(model: RegisteredModel) -> None:
    """As `optimisation_renew`, for what a model serves: where aliases point, and the newest."""
    ready = model.versions.filter(state=State.READY)
    newest = ready.order_by("-sort_key").values_list("pk", flat=True).first()
    for version in ready.filter(Q(aliases__isnull=False) | Q(pk=newest)).distinct():
        optimisation_renew(version, as_new=True)


@retry_deadlocks
def variants_renew(version: ModelVersion, *, principal: Principal) -> None:
    """Forget a ready version's variants and compile them anew; `Problem` 409 where none can be."""
    with transaction.atomic():
        if lock_version(version.pk).state != State.READY:
            raise Problem(409, N_("Only a ready version has variants."))
        version.variants.all().delete()
        if not optimisation_renew(version, as_new=True):
            raise Problem(
                409, N_("Nothing compiles variants here: the operator set AIHUB_OPTIMISE=false.")
            )
        revision_bump()
        _emit("version.optimisation_requested", version, principal)


def variant_check(version: ModelVersion, name: str) -> None:
    """`Problem` 422 where a version has no variant of this name that can serve."""
    named = version.variants.filter(name=name)
    if not any(row.state == Variant.States.READY for row in named):
        raise Problem(
            422,
            N_("%(version)s has no variant “%(variant)s” that can serve."),
            version=version.version,
            variant=name,
        )


def sparsity_apply(version: ModelVersion) -> None:
    """Have a version's pruned variants made anew. In the caller's transaction."""
    version.variants.filter(name__endswith=PRUNED).delete()
    if version.state == State.READY:
        optimisation_renew(version, as_new=False)


def jobs_of(version_ids: Collection[int] | QuerySet[Any, Any]) -> QuerySet[Job]:
    """The jobs that compile versions' variants."""
    return Job.objects.filter(kind__startswith=KIND, subject_id__in=version_ids)


def _set_state(version: ModelVersion, state: Optimisation) -> None:
    version.optimisation = state
    ModelVersion.objects.filter(pk=version.pk).update(optimisation=state)


def _emit(name: str, version: ModelVersion, principal: Principal) -> None:
    emit(Event(name, str(version), principal, team_id=version.model.team_id))
