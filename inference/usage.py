"""What serving needs of a model: asked before one is deleted."""

from collections.abc import Iterator

from django.db.models import QuerySet

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
