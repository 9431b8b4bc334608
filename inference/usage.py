"""What serving needs of a model: asked before one is deleted."""

from collections.abc import Iterator

from django.db.models import QuerySet

from inference.models import BatchJob, BatchSchedule
from inference.models.batch import UNFINISHED
from registry.models import ModelVersion, RegisteredModel
from registry.refusals import N_
from registry.usage import Use


def fallbacks_guard(
    versions: QuerySet[ModelVersion], model: RegisteredModel | None
) -> Iterator[Use]:
    """The routes of other models that fall back to this one."""
    if model is None:
        return
    others = RegisteredModel.objects.exclude(pk=model.pk)
    named = others.filter(serving__fallback__model__iexact=model.name)
    for name in named.order_by("name_key").values_list("name", flat=True):
        yield Use("route", N_("route: fallback of model %(model)s"), {"model": name})


def batch_guard(versions: QuerySet[ModelVersion], model: RegisteredModel | None) -> Iterator[Use]:
    """The batch jobs that still run one of them."""
    running = BatchJob.objects.filter(version__in=versions.order_by(), state__in=UNFINISHED)
    for pk, version in running.order_by("pk").values_list("pk", "version_name"):
        yield Use(
            "batch job", N_("batch job %(job)s (%(version)s)"), {"job": pk, "version": version}
        )


def schedules_guard(
    versions: QuerySet[ModelVersion], model: RegisteredModel | None
) -> Iterator[Use]:
    """The schedules that run the model."""
    if model is None:
        return
    active = BatchSchedule.objects.filter(model=model, active=True).order_by("pk")
    for pk, name in active.values_list("pk", "name"):
        yield Use(
            "schedule", N_("schedule %(schedule)s (%(name)s)"), {"schedule": pk, "name": name}
        )
